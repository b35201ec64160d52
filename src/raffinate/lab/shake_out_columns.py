"""What a heading says: which quantity, of which element, in which unit and on which basis."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from raffinate.lab.shake_out_elements import (
    ELEMENTS,
    EXTRACTANTS,
    OXIDES,
    SALTS,
    plain_name,
)
from raffinate.lab.shake_out_units import Unit, find_unit, plain_text

Basis = Literal["metal", "oxide"]

TEXT_ROLES = (
    "test_id",
    "laboratory",
    "element",
    "co_elements",
    "extractant",
    "medium",
    "saponifying_cation",
    "mechanism",
    "extractant_form",
)
"""Quantities that are words."""

TEST_ROLES = (
    "acidity",
    "acidity_feed",
    "acidity_equilibrium",
    "extractant_concentration",
    "oa_ratio",
    "ao_ratio",
    "volume_organic",
    "volume_aqueous",
    "temperature",
    "saponification_degree",
    "salt",
    "density_feed",
    "density_aqueous",
    "density_organic",
    "dilution_feed",
    "dilution_aqueous",
    "dilution_organic",
)
"""Numbers of a flask."""

ROW_ROLES = (
    "aqueous_feed",
    "aqueous",
    "organic",
    "organic_by_difference",
    "distribution_ratio",
    "log10_distribution_ratio",
    "extraction",
    "assay_deviation",
    "deviation_feed",
    "deviation_aqueous",
    "deviation_organic",
)
"""Numbers of one element in a flask."""

ROLES = (*TEXT_ROLES, *TEST_ROLES, *ROW_ROLES, "ignored")

LEGACY = {
    "test_id": "test_id",
    "source_label": "laboratory",
    "element": "element",
    "co_elements": "co_elements",
    "H_initial_mol_L": "acidity_feed",
    "extractant": "extractant",
    "extractant_mol_L": "extractant_concentration",
    "aqueous_medium": "medium",
    "C_aq_initial_mol_L": "aqueous_feed",
    "C_aq_eq_mol_L": "aqueous",
    "C_org_eq_mol_L_by_difference_OA1": "organic_by_difference",
    "D_reported": "distribution_ratio",
    "D_from_difference_OA1": "ignored",
    "D_consistency_ratio": "ignored",
}
"""Headings of the long form that the package ships, which mean exactly one thing."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column understood.

    Attributes:
        heading: As the table writes it.
        role: Which quantity, one of `ROLES`.
        element: Symbol it belongs to; empty in the long form and for numbers of a flask.
        unit: Of its numbers; None where the heading names none.
        basis: Whether masses are of metal or of oxide.
        note: What else the role needs: "pH", "dimer" or the formula of a salt.
    """

    heading: str
    role: str
    element: str = ""
    unit: Unit | None = None
    basis: Basis = "metal"
    note: str = ""


_GLUED = re.compile(r"(log|lg)?([DECcxy])[-_]?(" + "|".join([*ELEMENTS, *OXIDES]) + r")(?![a-z])")
_CHARGED = re.compile(r"^([A-Z][a-z]?)(?:\d?\+|\d\+|\((?:I{2,3}|IV|VI)\))$")
_SALT_NAMES = "|".join(re.escape(salt) for salt in SALTS)
_SALT = re.compile(rf"(?<![A-Za-z])({_SALT_NAMES})(?![A-Za-z0-9])")
_BRACKETS = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]|\{([^{}]*)\}")
_BASIS = re.compile(r"\b(?:as )?(REO|oxides?|metal)\b", re.IGNORECASE)
_ACID = re.compile(r"\[?\bh(\+|3o\+)\]?|\bh_|\b(proton|acid|acidity|hcl|hno3)\b")
_EXTRACTANT = re.compile(
    r"\(ha\)2|\[ha\]|\bha\b|\bh2a2\b|\bextractants?\b|\bhl\b|\bdimer\b|\bmonomer\b"
)
_FEED = re.compile(r"\b(feed|initial|init|ini|i|start|before|original|c?0|pre)\b")
_AFTER = re.compile(r"\b(eq|eqm|equil|equilibrium|e|final|fin|after|end|raffinate|raff)\b")
_ORGANIC = re.compile(r"\b(org|organic|oil|o|y|ext)\b")
_AQUEOUS = re.compile(r"\b(aq|aqueous|raffinate|raff|raf|water|a|x)\b")
_DEVIATION = re.compile(
    r"\b(sd|std|stdev|stddev|rsd|sigma|uncertainty|deviation|error|unc)\b|±|\+/-"
)
_FILLERS = re.compile(
    r"c|conc|concentration|phase|liquor|solution|liquid|of|the|in|at|by|from|values?|reported|"
    r"measured|exp|experimental|difference|metal|ion|content|assay|loaded|extracted|remaining|"
    r"rel|relative|abs|absolute|percent|%|ratio|coefficient|factor|distribution|log|log10|lg|d|"
    r"kd|e|e%|%e|extr|extraction|efficiency"
)
"""Words besides those of phases that a heading of one element may hold."""

_IGNORED = re.compile(
    r"^(notes?|remarks?|comments?|date|operator|analyst|diluent|beta|β|separation factor)\b"
    r"|\b(treo|total|sum|balance|time)\b"
)


def recognise(
    heading: str, *, default_unit: Unit | None = None, basis: Basis = "metal"
) -> Column | None:
    """Return what a heading means, or None where it cannot be told.

    Args:
        heading: Such as "C_aq Nd (ppm)", "pH eq", "O/A" or "[HA]0 mol/L".
        default_unit: Of concentrations whose heading names none.
        basis: Of masses whose heading names none.
    """
    if heading in LEGACY:
        unit = find_unit("mol/L") if "_mol_L" in heading else None
        return Column(heading, LEGACY[heading], unit=unit)
    text, unit = _take_unit(plain_text(heading))
    found_basis = _BASIS.search(plain_text(heading))
    if found_basis:
        basis = "metal" if found_basis[1].lower() == "metal" else "oxide"
        text = _BASIS.sub(" ", text)
    column = Column(heading, "", unit=unit, basis=basis)
    flask = _of_flask(text, column)
    if flask is not None:
        return flask
    text, element, as_oxide = _take_element(text)
    column = replace(column, element=element, basis="oxide" if as_oxide else basis)
    found = _of_element(_words(text), column)
    if found is None:
        return None
    if found.unit is None and found.role in ("aqueous_feed", "aqueous", "organic"):
        return replace(found, unit=default_unit)
    return found


def _take_unit(text: str) -> tuple[str, Unit | None]:
    """Return a heading without its unit: in brackets, after a comma or slash, or at an end."""
    for found in _BRACKETS.finditer(text):
        inner = next(group for group in found.groups() if group is not None)
        unit = find_unit(_BASIS.sub("", inner).strip(" ,"))
        if unit is None and inner.strip() == "C":
            unit = find_unit("°C")
        if unit is not None:
            return f"{text[: found.start()]} {text[found.end() :]}".strip(), unit
    spaced = text.replace("_per_", "/")
    spaced = re.sub(r"_(k?mol|mmol|umol|g|mg|ug)_(L|m3|kg)\b", r" \1/\2 ", spaced)
    spaced = re.sub(r"_(g|mg|ug|k?mol|mmol)/", r" \1/", spaced).replace("_pct", " %")
    for separator in (",", ";", " / ", " in "):
        head, found_separator, tail = spaced.rpartition(separator)
        unit = find_unit(_BASIS.sub("", tail).strip()) if found_separator else None
        if unit is not None:
            return head.strip(), unit
    return _take_loose_unit(spaced.strip())


def _take_loose_unit(text: str) -> tuple[str, Unit | None]:
    """Return a heading without a unit that stands as words of its own."""
    words = text.split()
    for count in (3, 2, 1):
        for start in range(len(words) - count, -1, -1):
            if len(words) == count:
                continue
            unit = find_unit(" ".join(words[start : start + count]))
            if unit is not None:
                return " ".join(words[:start] + words[start + count :]), unit
    if "%" in text:
        return text.replace("%", " ").strip(), find_unit("%")
    slashed = re.fullmatch(r"(.*[a-z])/ ?(K|°C)", text)
    return (slashed[1], find_unit(slashed[2])) if slashed else (text, None)


def _words(text: str) -> str:
    """Return the words of a heading in small letters, separated by single spaces."""
    return " ".join(re.sub(r"[^a-z0-9%±β/+\[\]-]+", " ", text.lower()).split())


def _of_flask(text: str, column: Column) -> Column | None:
    """Return the column if it holds words or a number of the flask."""
    low = " ".join(text.lower().replace("_", " ").split())
    words = _words(low)
    if _IGNORED.search(words):
        return replace(column, role="ignored")
    exact = _EXACT.get(words) or _EXACT.get(low.strip("."))
    if exact is not None and not (exact == "extractant" and column.unit is not None):
        return replace(column, role=exact)
    ratio = _phase_ratio(low)
    if ratio:
        return replace(column, role=ratio)
    salt = _SALT.search(text)
    if salt:
        return replace(column, role="salt", note=salt[1])
    for pattern, role in _PATTERNS:
        if pattern.search(words):
            return replace(column, role=_staged(role, words) if role.endswith("_") else role)
    if re.search(r"\bp ?\[?h\+?\]?(?![a-df-hj-z])", low):
        return replace(column, role=_acidity(low.replace("ph", "ph ", 1)), note="pH")
    if _ACID.search(low) and "h2so4" not in low:
        return replace(column, role=_acidity(low))
    if any(
        plain_name(part) in EXTRACTANTS for part in (text, *re.split(r"[\s_]+", text))
    ) or _EXTRACTANT.search(low):
        dimer = "dimer" if re.search(r"\(ha\)2|h2a2|dimer", low) else ""
        return replace(column, role="extractant_concentration", note=dimer)
    return None


_EXACT = {
    **{role.replace("_", " "): role for role in ROLES if role != "salt"},
    **dict.fromkeys(
        ("test", "test no", "no", "#", "id", "run", "run no", "sample", "sample id", "exp"),
        "test_id",
    ),
    **dict.fromkeys(("experiment", "flask", "test number", "point", "contact"), "test_id"),
    **dict.fromkeys(
        ("lab", "source", "source label", "author", "paper", "reference"), "laboratory"
    ),
    **dict.fromkeys(("metal ion", "ion", "analyte", "symbol"), "element"),
    **dict.fromkeys(("co-elements", "co elements", "others", "also present"), "co_elements"),
    **dict.fromkeys(("aqueous medium", "acid medium", "matrix"), "medium"),
    **dict.fromkeys(
        ("saponified with", "saponifier", "saponifying base", "base"), "saponifying_cation"
    ),
    **dict.fromkeys(("t", "temp"), "temperature"),
}

_PATTERNS = (
    (
        re.compile(r"\b(saponification|saponified|sapon|sap|neutrali[sz]ation)\b"),
        "saponification_degree",
    ),
    (re.compile(r"\btemp(erature)?\b"), "temperature"),
    (re.compile(r"\b(density|rho|sg)\b"), "density_"),
    (re.compile(r"\b(dilution|dil|df)\b"), "dilution_"),
    (re.compile(r"\bv(ol|olume)?( of)? ?(o|org|organic)\b"), "volume_organic"),
    (re.compile(r"\bv(ol|olume)?( of)? ?(a|aq|aqueous)\b"), "volume_aqueous"),
)


def _phase_ratio(low: str) -> str:
    """Return the role of a phase ratio that says which phase stands above."""
    packed = low.replace("ratio", "").replace(" ", "")
    organic, aqueous = r"(v?o|v?org|organic)", r"(v?a|v?aq|aqueous)"
    if re.search(rf"\b{organic}[/:]{aqueous}(?![a-z])", packed) or packed == "oa":
        return "oa_ratio"
    if re.search(rf"\b{aqueous}[/:]{organic}(?![a-z])", packed) or packed == "ao":
        return "ao_ratio"
    return ""


def _staged(prefix: str, words: str) -> str:
    """Return the role of a density or dilution, of the phase the words name."""
    if _ORGANIC.search(words):
        return f"{prefix}organic"
    return f"{prefix}feed" if _FEED.search(words) else f"{prefix}aqueous"


def _acidity(low: str) -> str:
    words = _words(low.replace("_", " ").replace("]0", " 0").replace("+0", " 0"))
    after, before = bool(_AFTER.search(words)), bool(_FEED.search(words))
    if after == before:
        return "acidity"
    return "acidity_equilibrium" if after else "acidity_feed"


def _take_element(text: str) -> tuple[str, str, bool]:
    """Return a heading without its element, the symbol, and whether an oxide named it."""
    glued = _GLUED.search(text)
    if glued and glued.start() == 0:
        text = f"{glued[1] or ''} {glued[2]} {glued[3]} {text[glued.end() :]}"
    text = re.sub(r"\(([A-Z][a-z]?(?:\d?\+|[A-Za-z\d]*O\d*)?)\)", r" \1 ", text)
    words = re.split(r"[\s_,;:/]+", re.sub(r"[\[\]]", " ", text))
    for index, word in enumerate(words):
        symbol, as_oxide = element_of(word.strip("()"))
        symbol, as_oxide = (symbol, as_oxide) if symbol else element_of(word)
        if symbol:
            return " ".join(words[:index] + words[index + 1 :]), symbol, as_oxide
    return text, "", False


def phase_of(text: str) -> str:
    """Return "feed", "aqueous" or "organic" for the name of a phase; empty if it is none."""
    words = _words(text)
    if _ORGANIC.search(words):
        return "organic"
    if _FEED.search(words):
        return "feed"
    return "aqueous" if _AQUEOUS.search(words) else ""


def names_element(heading: str) -> str:
    """Return the symbol a heading names, whatever else it says; empty if none."""
    return _take_element(_take_unit(plain_text(heading))[0])[1]


def element_of(word: str) -> tuple[str, bool]:
    """Return symbol and whether the word is its oxide; an empty symbol if it is no element."""
    if word in ELEMENTS:
        return word, False
    if OXIDES.get(word):
        return OXIDES[word], True
    charged = _CHARGED.match(plain_text(word))
    return (charged[1], False) if charged and charged[1] in ELEMENTS else ("", False)


def _of_element(words: str, column: Column) -> Column | None:
    """Return the column if it holds a number of one element."""
    feed, after = bool(_FEED.search(words)), bool(_AFTER.search(words))
    organic, aqueous = bool(_ORGANIC.search(words)), bool(_AQUEOUS.search(words))
    percent = column.unit is not None and column.unit.kind == "percent"
    known = (_FEED, _AFTER, _ORGANIC, _AQUEOUS, _DEVIATION)
    strange = [
        word
        for word in words.split()
        if not _FILLERS.fullmatch(word.strip("()[]"))
        and not any(each.search(word) for each in known)
    ]
    if strange:
        return None
    if _DEVIATION.search(words):
        phase = "organic" if organic else "feed" if feed else "aqueous" if aqueous else ""
        return replace(column, role=f"deviation_{phase}" if phase else "assay_deviation")
    if re.search(r"\b(log10|log|lg) ?(d|kd|distribution)\b", words):
        return replace(column, role="log10_distribution_ratio")
    if re.search(r"\b(d|kd|distribution (ratio|coefficient|factor))\b", words):
        return replace(column, role="distribution_ratio")
    if re.search(r"\b(e|extraction|extracted|extr|%e|e%)\b|^%$", words) and (
        percent or not (organic or aqueous or feed)
    ):
        return replace(column, role="extraction")
    if feed and after:
        return None
    if organic and not aqueous:
        loaded_before = feed
        role = "organic_by_difference" if "difference" in words else "organic"
        return None if loaded_before else replace(column, role=role)
    if feed and not organic:
        return replace(column, role="aqueous_feed")
    if aqueous and not organic:
        return replace(column, role="aqueous")
    return None
