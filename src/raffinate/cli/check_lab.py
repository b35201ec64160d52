"""`raffinate check-lab`: what a laboratory's table says and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import failing_politely, to_json
from raffinate.cli.lab_options import AcidityOption, LayoutOption, SheetOption

if TYPE_CHECKING:
    from raffinate.lab.shake_out_review import Review


def register(app: typer.Typer) -> None:
    """Add the command `check-lab` to `app`."""
    app.command(name="check-lab")(check_lab)


def check_lab(
    data: Annotated[
        str, typer.Argument(help="CSV or Excel file of shake-out tests, or a shipped name.")
    ],
    acidity: AcidityOption = None,
    layout: LayoutOption = None,
    sheet: SheetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the review as JSON.")] = False,
) -> None:
    """Read a table of shake-out tests and say what is wrong with it, without fitting anything."""
    with failing_politely(as_json=as_json):
        from raffinate.lab.shake_out import load_shake_outs
        from raffinate.lab.shake_out_review import review_shake_outs

        review = review_shake_outs(
            load_shake_outs(
                data, acidity=acidity.value if acidity else None, layout=layout, sheet=sheet
            )
        )
        typer.echo(to_json(review_as_dict(review)) if as_json else review.to_text())


def review_as_dict(review: Review) -> dict[str, Any]:
    """Return a review as JSON tells it."""
    return {
        "table": review.table.name,
        "tests": len(review.table.test_id),
        "distribution_ratios": len(review.table.element),
        "elements": list(review.table.elements),
        "acidity": review.table.acidity_reading,
        "readings": [
            {
                "laboratory": score.laboratory,
                "acidity": score.reading,
                "spread": score.spread,
                "tests": score.tests,
                "impossible": score.impossible,
            }
            for score in review.readings
        ],
        "left_out": [
            {"test": item.test_id, "laboratory": item.laboratory, "reason": item.reason}
            for item in review.excluded
        ],
        "pooled": [
            {"tests": list(item.test_ids), "log10_deviation": dict(item.deviation)}
            for item in review.pooled.duplicates
        ],
        "findings": [
            {
                "kind": item.kind,
                "test": item.test_id,
                "element": item.element,
                "reason": item.reason,
            }
            for item in review.findings
        ],
    }
