"""`raffinate history report`: a shift, a lot or a span on one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import check_ending, failing_politely, text_writer, to_json, write_output
from raffinate.cli.history_common import FromOption, RunArgument, ToOption, opened
from raffinate.errors import SpecificationError, nearest_name

if TYPE_CHECKING:
    from raffinate.runtime.historian import Historian
    from raffinate.runtime.history_report import Report
    from raffinate.runtime.history_report_periods import Period


def report(
    run: RunArgument,
    shift: Annotated[str, typer.Option("--shift", help="Length of a shift.")] = "8h",
    at_h: Annotated[
        float | None, typer.Option("--at", help="A plant hour of the shift; the last one if not.")
    ] = None,
    lot: Annotated[int | None, typer.Option("--lot", help="A lot in place of a shift.")] = None,
    product: Annotated[str | None, typer.Option("--product", help="Whose lot.")] = None,
    from_h: FromOption = None,
    to_h: ToOption = None,
    plant: Annotated[
        str | None, typer.Option("--plant", help="The plant, where RUN does not name it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the main facts as JSON.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the report: .html or .json.")
    ] = None,
) -> None:
    """Report a shift, a lot or a span: purities, lots, reagents, alarms, and who changed what."""
    with failing_politely(as_json=as_json), opened(run) as (historian, place):
        check_ending(output, (".html", ".json"))
        if output is None and not as_json:
            raise SpecificationError(
                "nowhere to write to.", where="--output", mend="Name a file, or ask for --json."
            )
        from raffinate.plant.plant_file import load_plant
        from raffinate.runtime.history_report import build_report
        from raffinate.runtime.history_report_html import report_to_html

        named = plant or place.settings.get("plant")
        if not named:
            raise SpecificationError("the plant is not known.", where=run, mend="Name it: --plant.")
        loaded = load_plant(str(named))
        period = _period(historian, shift, at_h, lot, product, from_h, to_h)
        if product is not None and product not in loaded.products:
            raise SpecificationError(
                f"{product!r} is no product.",
                where="--product",
                mend=nearest_name(product, tuple(loaded.products)),
            )
        found = build_report(historian, loaded, period)
        write_output(
            output,
            {
                ".html": text_writer(lambda: report_to_html(found)),
                ".json": text_writer(lambda: to_json(summarise(found))),
            },
        )
        if as_json:
            typer.echo(to_json(summarise(found)))


def _period(
    historian: Historian,
    shift: str,
    at_h: float | None,
    lot: int | None,
    product: str | None,
    from_h: float | None,
    to_h: float | None,
) -> Period:
    from raffinate.runtime.history_report_periods import lot_period, shift_period, span_period
    from raffinate.units import HOUR, to_si

    asked = {
        "--at": at_h is not None,
        "--lot": lot is not None,
        "--from, --to": from_h is not None or to_h is not None,
    }
    if sum(asked.values()) > 1:
        named = " and ".join(name for name, given in asked.items() if given)
        raise SpecificationError(f"{named} exclude each other.", mend="Ask for one period.")
    if (lot is None) != (product is None):
        raise SpecificationError(
            "a lot needs its number and its product.", where="--lot, --product"
        )
    if lot is not None and product is not None:
        return lot_period(historian, product, lot)
    if from_h is not None or to_h is not None:
        return span_period(historian, from_h, to_h)
    return shift_period(historian, to_si(shift, "s") / HOUR, at_h)


def summarise(found: Report) -> dict[str, Any]:
    """Return what `raffinate history report --json` prints; purities in fractions."""
    from raffinate.runtime.history_report import mean_of
    from raffinate.runtime.history_report_html import utc_text

    period = found.period
    return {
        "plant": found.plant,
        "period": {
            "title": period.title,
            "from_h": period.plant_hour(period.begin_us),
            "to_h": period.plant_hour(period.end_us),
            "from_utc": utc_text(period.begin_us),
            "to_utc": utc_text(period.end_us),
            "complete": period.complete,
        },
        "products": {
            product.name: {
                "limit": product.limit,
                "mean_purity": product.mean,
                "worst_purity": product.worst[1],
                "lab_purity": mean_of(product.lab)[0],
                "lab_sigma": mean_of(product.lab)[1],
                "off_spec_h": product.off_spec_h,
                "off_spec_t": product.off_spec_t,
                "made_t": product.made_t,
                "lots": [{"number": lot.number, "purity": lot.purity} for lot in product.lots],
            }
            for product in found.products
        },
        "reagents_per_t_reo": dict(found.reagents),
        "modes": [
            {"from_h": period.plant_hour(begin), "to_h": period.plant_hour(end), "mode": mode}
            for begin, end, mode in found.modes
        ],
        "alarms": found.alarm_count,
        "changes": {
            "accepted": sum(bool(change.entry.get("accepted")) for change in found.changes),
            "refused": sum(not change.entry.get("accepted") for change in found.changes),
        },
        "values": {"good": found.values[0], "bad": found.values[1]},
        "records_missing": sum(gap.last - gap.first + 1 for gap in found.gaps),
    }
