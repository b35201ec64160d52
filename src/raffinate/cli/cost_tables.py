"""The tables of an account, as texts that a terminal and a page both show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raffinate.plant.economics_account import Economics


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One table.

    Attributes:
        title: In words.
        headings: Of the columns, with units.
        rows: Texts.
        texts: How many of the first columns are words.
        note: Below the table.
        page_only: Columns for which only a page is wide enough.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int = 1
    note: str = ""
    page_only: tuple[int, ...] = ()


def headline(account: Economics) -> str:
    """Return the account in one sentence."""
    money = account.prices.currency
    made = f"{account.reo_flow * 3600:.4g} kg/h REO"
    if account.cost is None:
        return f"{made}; no cost is counted, see Missing."
    each = account.cost / account.reo_flow
    whole = "Cost" if account.complete else "Counted so far (see Missing)"
    return f"{whole}: {each:.4g} {money} per kg REO, {made}; shared by {account.allocation}."


def account_tables(account: Economics) -> tuple[Sheet, ...]:
    """Return all tables of an account."""
    found = account.to_dict()
    money = account.prices.currency
    return (
        _costs(found, money),
        _oxides(found, money),
        _inventory(found, money),
        _effluent(found),
        _sections(found, money),
        _coefficients(found),
    )


def _costs(found: dict[str, Any], money: str) -> Sheet:
    rows = [
        (
            row["cost"],
            row["group"],
            row["unit"],
            row["evidence"] or "-",
            *_numbers(row, "amount_per_h", "amount_per_t_reo", "price", "cost_per_h"),
            "missing" if row["cost_per_t_reo"] is None else _number(row["cost_per_t_reo"]),
        )
        for row in found["costs"]
    ]
    total = ("Counted" if not found["complete"] else "Total", "", "", "", "", "", "")
    each = found["cost_per_kg_reo"]
    per_tonne = None if each is None else each * 1000.0
    rows.append((*total, _number(found["cost_per_h"]), _number(per_tonne)))
    headings = ("cost", "group", "unit", "class", "per h", "per\nt REO", f"{money}\nper unit")
    return Sheet(
        title="Costs",
        headings=(*headings, f"{money}\nper h", f"{money}\nper t REO"),
        rows=tuple(rows),
        texts=4,
        note="class: the weakest evidence among the price and coefficients of a line",
        page_only=(1,),
    )


def _oxides(found: dict[str, Any], money: str) -> Sheet:
    keys = ("kg_per_h", "price_per_kg", "revenue_per_h", "cost_per_h", "cost_per_kg")
    rows = [
        (row["product"], row["oxide"], row["evidence"] or "missing", *_numbers(row, *keys))
        for row in found["oxides"]
    ]
    revenue, margin = _number(found["revenue_per_h"]), _number(found["margin_per_h"])
    cost = "cost" if found["complete"] else "counted cost"
    return Sheet(
        title="Oxides",
        headings=(
            *("product", "oxide", "class", "kg/h", f"price\n{money}/kg"),
            *(f"revenue\n{money}/h", f"{cost}\n{money}/h", f"{cost}\n{money}/kg"),
        ),
        rows=tuple(rows),
        texts=3,
        note=f"revenue {revenue}, margin {margin} {money}/h; cost shared by {found['allocation']}",
    )


def _inventory(found: dict[str, Any], money: str) -> Sheet:
    held = found["inventory"]
    rows = [
        (row["what"], row["unit"], row["evidence"] or "missing", *_numbers(row, "amount", "value"))
        for row in held["holdings"]
    ]
    return Sheet(
        title="Held in the plant",
        headings=("what", "unit", "class", "amount", money),
        rows=tuple(rows),
        texts=3,
        note=(
            f"{held['reo_kg']:.4g} kg REO ({held['reo_kg_aqueous']:.4g} aqueous, "
            f"{held['reo_kg_organic']:.4g} organic), {held['days_of_feed']:.3g} days of feed; "
            f"{held['solvent_m3']:.4g} m³ of solvent, {held['aqueous_m3']:.4g} m³ of liquor; "
            f"{held['money_counted']:.4g} {money} counted"
        ),
    )


def _effluent(found: dict[str, Any]) -> Sheet:
    given = found["effluent"]
    anion = given["anion_kmol_per_t_reo"]
    rows = (
        (given["salt"], "kg", _number(given["salt_kg_per_t_reo"])),
        ("ammonia nitrogen, as N", "kg", _number(given["ammonia_nitrogen_kg_per_t_reo"])),
        ("free acid", "kg", _number(given["free_acid_kg_per_t_reo"])),
        ("liquor", "m³", _number(given["liquor_m3_per_t_reo"])),
        ("anion in with feed", "kmol", _number(anion["fed"])),
        ("anion in with acid", "kmol", _number(anion["with_acid"])),
        ("anion out with metals", "kmol", _number(anion["out_with_metals"])),
        ("anion out as salt", "kmol", _number(anion["out_as_salt"])),
        ("anion out as free acid", "kmol", _number(anion["out_as_acid"])),
    )
    return Sheet(
        title="In the liquors that leave, before precipitation",
        headings=("what", "unit", "per t REO"),
        rows=rows,
        texts=2,
        note=f"anion and saponifier in and out differ by {given['closure_error']:.1e} at most",
    )


def _sections(found: dict[str, Any], money: str) -> Sheet:
    keys = (
        *("throughput_m3_per_h", "mixer_residence_s", "settler_residence_s"),
        *("settler_flow_m3_per_m2_h", "settler_area_m2"),
    )
    rows = [
        (row["section"], str(row["stages"]), *_numbers(row, *keys)) for row in found["sections"]
    ]
    return Sheet(
        title="Mixer-settlers",
        headings=(
            *("section", "stages", "m³/h", "mixer, s", "settler, s", "m³/(m² h)", "settler, m²"),
        ),
        rows=tuple(rows),
        note=f"capital {_number(found['capital'])} {money}; flows of both phases with recycle",
    )


def _coefficients(found: dict[str, Any]) -> Sheet:
    rows = [
        (
            row["key"],
            row["unit"],
            row["evidence"],
            f"{row['source']}, {row['date']}".rstrip(", "),
            _number(row["value"]),
        )
        for row in found["coefficients"]
    ]
    return Sheet(
        title="Prices and coefficients given",
        headings=("key", "unit", "class", "source, date", "value"),
        rows=tuple(rows),
        texts=4,
    )


def _numbers(row: dict[str, Any], *keys: str) -> tuple[str, ...]:
    return tuple(_number(row[key]) for key in keys)


def _number(value: float | None) -> str:
    """Return four figures, or a dash for what is not known."""
    if value is None:
        return "-"
    size = abs(value)
    if size >= 1e4:
        return f"{value:,.0f}"
    if 0.0 < size < 1e-3:
        return f"{value:.2e}"
    return f"{value:.4g}"
