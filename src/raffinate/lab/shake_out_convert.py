"""From flasks of cells to flasks of SI numbers, each phase completed from the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from raffinate.errors import DataError
from raffinate.lab.shake_out_assays import (
    Factors,
    read_extraction,
    read_reported_ratio,
    relative_deviation,
)
from raffinate.lab.shake_out_cells import (
    Cell,
    Decimal,
    density_of,
    read_acidity,
    read_concentration,
    read_density,
    read_extractant,
    read_fraction,
    read_number,
    read_ratio,
    read_salt,
    read_temperature,
)
from raffinate.lab.shake_out_elements import CATIONS, SALTS
from raffinate.lab.shake_out_flasks import RawEntry, RawFlask

SMALLEST_RATIO = 1e-8
LARGEST_RATIO = 1e8
"""Range of D, [-]. Assumed: no two assays span more."""

SMALLEST_OA = 1e-3
LARGEST_OA = 1e3
"""Range of O/A, [-]. Assumed: no flask is shaken beyond."""

PHASES = {"feed": "aqueous_feed", "aqueous": "aqueous", "organic": "organic"}
"""Role of the concentration in each phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One element of one flask.

    Attributes:
        element: Symbol.
        aqueous_feed: Before shaking, [mol/m³].
        aqueous: After shaking, [mol/m³].
        organic: After shaking, [mol/m³].
        distribution_ratio: As reported, or from the phases, [-].
        assayed: Which phases were assayed after shaking.
        deviation: Relative, root mean square over the assays D rests on, [-]; None if not stated.
        resolution: One in the last printed digit of D, [-]; 0 if D is not printed.
        rounding: Relative deviation of D from the digits of what it was found from, [-].
    """

    element: str
    aqueous_feed: float
    aqueous: float
    organic: float
    distribution_ratio: float
    assayed: Literal["aqueous", "organic", "both"]
    deviation: float | None
    resolution: float
    rounding: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Flask:
    """One flask.

    Attributes:
        test_id: Its name.
        texts: Laboratory, extractant and the like, by role.
        acidities: H⁺ by role, [mol/m³].
        extractant: Counted as HA, [mol/m³]; None if not given.
        oa_ratio: [-]; None if not given.
        saponification_degree: [-]; None if not given.
        background: Ions of added salts by component name, [mol/m³].
        temperature: [K]; None if not given.
        entries: Its elements.
        co_elements: Elements in it without a result.
        cells: As read, for messages.
    """

    test_id: str
    texts: Mapping[str, str]
    acidities: Mapping[str, float]
    extractant: float | None
    oa_ratio: float | None
    saponification_degree: float | None
    background: Mapping[str, float]
    temperature: float | None
    entries: tuple[Entry, ...]
    co_elements: tuple[str, ...]
    raw: RawFlask


def convert_flask(raw: RawFlask, decimal: Decimal) -> Flask:
    """Return a flask in SI.

    Raises:
        DataError: A cell is no number of its kind, or the cells do not tell all phases.
    """
    cells = {role: cell for (role, _), cell in raw.cells.items() if role != "salt"}
    oa_ratio = _oa_ratio(cells, decimal)
    headings = {cell.column.heading for entry in raw.entries for cell in entry.cells.values()}
    if oa_ratio is None and any(heading.endswith("_OA1") for heading in headings):
        oa_ratio = 1.0
    factors = _factors(cells, decimal)
    entries = tuple(
        _entry(entry, 1.0 if oa_ratio is None else oa_ratio, factors, decimal)
        for entry in raw.entries
    )
    return Flask(
        test_id=raw.test_id,
        texts=_texts(cells),
        acidities={
            role: read_acidity(cell, decimal)
            for role, cell in cells.items()
            if role.startswith("acidity")
        },
        extractant=_optional(cells, "extractant_concentration", read_extractant, decimal),
        oa_ratio=oa_ratio,
        saponification_degree=_degree(cells, decimal),
        background=_background(raw, decimal),
        temperature=_optional(cells, "temperature", read_temperature, decimal),
        entries=entries,
        co_elements=raw.co_elements,
        raw=raw,
    )


def _optional(cells: Mapping[str, Cell], role: str, read: object, decimal: Decimal) -> float | None:
    assert callable(read)
    return float(read(cells[role], decimal)) if role in cells else None


def _oa_ratio(cells: Mapping[str, Cell], decimal: Decimal) -> float | None:
    found = _written_oa_ratio(cells, decimal)
    if found is not None and not SMALLEST_OA <= found <= LARGEST_OA:
        roles = ("oa_ratio", "ao_ratio", "volume_organic")
        cell = next(cells[role] for role in roles if role in cells)
        raise cell.refuse(
            f"O/A is {found:.4g}.",
            allowed=f"{SMALLEST_OA:g} to {LARGEST_OA:g}",
            mend="Look at the volumes and their units.",
        )
    return found


def _written_oa_ratio(cells: Mapping[str, Cell], decimal: Decimal) -> float | None:
    given = [role for role in ("oa_ratio", "ao_ratio", "volume_organic") if role in cells]
    if len(given) > 1:
        raise cells[given[1]].refuse(
            "the phase ratio is given twice.", mend=f"Leave one by '# ignore: {given[1]}'."
        )
    if "oa_ratio" in cells:
        return read_ratio(cells["oa_ratio"], decimal)
    if "ao_ratio" in cells:
        return 1.0 / read_ratio(cells["ao_ratio"], decimal)
    volumes = [cells.get("volume_organic"), cells.get("volume_aqueous")]
    present = [cell for cell in volumes if cell is not None]
    if not present:
        return None
    if len(present) == 1:
        raise present[0].refuse(
            "only one of the two volumes is given.", mend="Give both, or head one column 'O/A'."
        )
    litres = [read_number(cell, decimal=decimal) for cell in present]
    units = [cell.column.unit.factor if cell.column.unit else 1.0 for cell in present]
    return litres[0] * units[0] / (litres[1] * units[1])


def _degree(cells: Mapping[str, Cell], decimal: Decimal) -> float | None:
    if "saponification_degree" not in cells:
        return None
    cell = cells["saponification_degree"]
    degree = read_fraction(cell, decimal, bare=True)
    if degree > 0.0 and "saponifying_cation" not in cells:
        raise cell.refuse(
            "the extractant is saponified, but not said with what.",
            allowed=", ".join(dict.fromkeys(CATIONS.values())),
            mend="Add a column 'saponified with', or '# saponified with: ammonium'.",
        )
    return degree


def _texts(cells: Mapping[str, Cell]) -> dict[str, str]:
    texts = {
        role: cells[role].text
        for role in ("laboratory", "extractant", "medium", "mechanism", "extractant_form")
        if role in cells
    }
    for role, allowed in (
        ("mechanism", ("exchange", "solvation")),
        ("extractant_form", ("dimer", "monomer")),
    ):
        if role in texts and texts[role] not in allowed:
            raise cells[role].refuse(f"{role} is {texts[role]!r}.", allowed=" or ".join(allowed))
    if "saponifying_cation" in cells:
        cell = cells["saponifying_cation"]
        plain = cell.text.lower().rstrip("+²⁺ ")
        if plain not in CATIONS:
            raise cell.refuse(
                f"{cell.text!r} is no base known here.", allowed=", ".join(sorted(CATIONS))
            )
        texts["saponifying_cation"] = CATIONS[plain]
    return texts


def _background(raw: RawFlask, decimal: Decimal) -> dict[str, float]:
    ions: dict[str, float] = {}
    for (role, salt), cell in raw.cells.items():
        if role == "salt":
            amount = read_salt(cell, decimal)
            for ion, moles in SALTS[salt].items():
                ions[ion] = ions.get(ion, 0.0) + moles * amount
    return ions


def _factors(cells: Mapping[str, Cell], decimal: Decimal) -> Factors:
    densities = {
        role: read_density(cell, decimal)
        for role, cell in cells.items()
        if role.startswith("density_")
    }
    dilution = {}
    for phase in PHASES:
        role = f"dilution_{phase}"
        dilution[phase] = read_number(cells[role], decimal=decimal) if role in cells else 1.0
        if dilution[phase] < 1.0:
            raise cells[role].refuse(
                f"the dilution factor is {cells[role].text}.",
                allowed="1 or more",
                mend="Write final over initial volume.",
            )
    return Factors(dilution, {phase: density_of(densities, phase) for phase in PHASES})


def _entry(raw: RawEntry, oa_ratio: float, factors: Factors, decimal: Decimal) -> Entry:
    found = {
        phase: factors.dilution[phase]
        * read_concentration(raw.cells[role], decimal, density=factors.density[phase])
        for phase, role in PHASES.items()
        if role in raw.cells
    }
    ratio, resolution, rounding = read_reported_ratio(raw, decimal)
    measured = set(found)
    fraction = None
    if "extraction" in raw.cells:
        fraction, rounding = read_extraction(raw.cells["extraction"], decimal)
    if "organic_by_difference" in raw.cells and "organic" not in found:
        cell = raw.cells["organic_by_difference"]
        found["organic"] = factors.dilution["organic"] * read_concentration(
            cell, decimal, density=factors.density["organic"]
        )
    feed, aqueous, organic = _complete(raw, found, ratio, fraction, oa_ratio)
    for each in (organic / aqueous, ratio if ratio is not None else 1.0):
        if not SMALLEST_RATIO <= each <= LARGEST_RATIO:
            raise DataError(
                f"D of {raw.element} would be {each:.3g}.",
                where=list(raw.cells.values())[-1].place,
                allowed=f"{SMALLEST_RATIO:g} to {LARGEST_RATIO:g}",
                mend="Look at the units; leave the element out where it was not measured.",
            )
    assayed: Literal["aqueous", "organic", "both"] = "aqueous"
    if "organic" in measured:
        assayed = "both" if "aqueous" in measured else "organic"
    return Entry(
        element=raw.element,
        aqueous_feed=feed,
        aqueous=aqueous,
        organic=organic,
        distribution_ratio=organic / aqueous if ratio is None else ratio,
        assayed=assayed,
        deviation=relative_deviation(raw, found, assayed, factors, decimal),
        resolution=resolution,
        rounding=rounding if ratio is not None or fraction is not None else 0.0,
    )


def _complete(
    raw: RawEntry,
    found: Mapping[str, float],
    ratio: float | None,
    fraction: float | None,
    oa_ratio: float,
) -> tuple[float, float, float]:
    """Return feed, aqueous and organic, of which the flask must tell two, or one and D or E."""
    feed, aqueous, organic = found.get("feed"), found.get("aqueous"), found.get("organic")
    if ratio is None and fraction is not None:
        ratio = fraction / (1.0 - fraction) / oa_ratio
    if aqueous is None and feed is not None:
        if organic is not None:
            aqueous = _rest(raw, feed, oa_ratio * organic, "organic", "aqueous")
        elif ratio is not None:
            aqueous = feed / (1.0 + oa_ratio * ratio)
            organic = ratio * aqueous
    if aqueous is None and organic is not None and ratio is not None:
        aqueous = organic / ratio
    if aqueous is not None and organic is None:
        if feed is not None:
            organic = _rest(raw, feed, aqueous, "aqueous", "organic") / oa_ratio
        elif ratio is not None:
            organic = ratio * aqueous
    if aqueous is None or organic is None:
        told = ", ".join(raw.cells) or "nothing"
        raise DataError(
            f"of {raw.element} the table tells only {told}.",
            where=raw.place,
            allowed="two of feed, aqueous and organic; or one of them with D or the extraction",
            mend="Add the column that is missing, or name the element under co_elements.",
        )
    return aqueous + oa_ratio * organic if feed is None else feed, aqueous, organic


def _rest(raw: RawEntry, feed: float, taken: float, phase: str, other: str) -> float:
    rest = feed - taken
    if rest <= 0.0:
        cell = raw.cells[PHASES[phase]]
        raise cell.refuse(
            f"{raw.element} found in the {phase} ({taken:.4g} mol per m³ of feed) is not less "
            f"than {raw.element} fed ({feed:.4g} mol/m³), so the {other} would hold none.",
            mend="Within the error of the assays there is no D: leave the element out and name "
            "it under co_elements.",
        )
    return rest
