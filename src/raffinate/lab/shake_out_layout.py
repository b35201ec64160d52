"""What a reader is told of a table besides its cells: by remarks, a layout file, or arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from raffinate.errors import DataError, nearest_name
from raffinate.lab.shake_out_columns import Basis, recognise
from raffinate.lab.shake_out_grid import Remark
from raffinate.lab.shake_out_units import ALLOWED, find_unit

if TYPE_CHECKING:
    from pydantic import BaseModel

FORMAT = "raffinate-columns/1"
"""First line of a layout file."""

_CHOICES = {
    "acidity": ("feed", "equilibrium"),
    "basis": ("metal", "oxide"),
    "below_detection": ("refuse", "leave out"),
    "decimal": ("point", "comma"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How to read a table of shake-out tests.

    Attributes:
        acidity: Which liquor the acidities belong to; empty to go by the headings.
        sheet: Of a workbook; None for the only one that is not empty.
        columns: A heading we know for each of theirs that we do not.
        constants: A value for each heading we know that holds for every flask.
        ignore: Headings not to read.
        unit: Of concentrations whose heading names none.
        basis: Of masses whose heading names none.
        below_detection: What to do with cells such as "<0.01" or "n.d.".
        decimal: Sign between units and tenths.
        title: Of the source.
        reference: Of the source.
        licence: Of the source.
        note: Of the source.
    """

    acidity: str = ""
    sheet: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    unit: str = ""
    basis: Basis = "metal"
    below_detection: Literal["refuse", "leave out"] = "refuse"
    decimal: Literal["point", "comma"] = "point"
    title: str = ""
    reference: str = ""
    licence: str = ""
    note: str = ""

    def over(self, other: Layout) -> Layout:
        """Return `other` with everything that this one states."""
        default = Layout()
        stated = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if getattr(self, each.name) != getattr(default, each.name)
        }
        for name in ("columns", "constants"):
            stated[name] = {**getattr(other, name), **getattr(self, name)}
        stated["ignore"] = tuple(dict.fromkeys([*other.ignore, *self.ignore]))
        return replace(other, **stated)


_TEXTS = tuple(each.name for each in fields(Layout) if each.name not in ("columns", "constants"))
_KEYS = (*_TEXTS, "column")


def layout_of_remarks(remarks: Sequence[Remark]) -> Layout:
    """Return what the `# key: value` lines of a table say.

    Keys are those of `Layout`, `column` for one mapping "theirs -> ours", and any heading that
    would be known over a column, whose value then holds for every flask.

    Raises:
        DataError: A key or value is not known.
    """
    made: dict[str, Any] = {"columns": {}, "constants": {}}
    for remark in remarks:
        key = remark.key.strip().replace(" ", "_") if remark.key.lower() in _SPACED else remark.key
        if key == "column":
            theirs, arrow, ours = remark.value.partition("->")
            if not arrow or not ours.strip():
                raise DataError(
                    f"{remark.value!r} maps no column.",
                    where=remark.place,
                    mend="Write such as '# column: Nd raff -> Nd aqueous, g/L'.",
                )
            made["columns"][theirs.strip()] = ours.strip()
        elif key == "ignore":
            made["ignore"] = tuple(part.strip() for part in remark.value.split(";"))
        elif key in _TEXTS:
            made[key] = check_choice(key, remark.value, remark.place)
        elif recognise(key) is not None:
            made["constants"][key] = remark.value
        else:
            raise DataError(
                f"unknown key {key!r}.",
                where=remark.place,
                allowed=", ".join(_KEYS) + ", and the headings of columns",
                mend=nearest_name(key, _KEYS),
            )
    return Layout(**made)


_SPACED = ("below detection",)


def check_choice(key: str, value: str, where: str) -> str:
    """Return a value that is one of the few its key may have, or a unit that we know.

    Raises:
        DataError: It is not.
    """
    if key in _CHOICES and value not in _CHOICES[key]:
        allowed = _CHOICES[key]
        mend = (
            "The rare earths release acid when they are extracted, so the two differ; look it "
            "up in the laboratory's procedure."
            if key == "acidity"
            else ""
        )
        raise DataError(
            f"{key} is {value!r}.", where=where, allowed=" or ".join(allowed), mend=mend
        )
    if key == "unit" and find_unit(value) is None:
        raise DataError(f"unit is {value!r}.", where=where, allowed=ALLOWED)
    return value


def load_layout(path: str | Path) -> Layout:
    """Read a layout file.

    Raises:
        DataError: It cannot be read, or a key or value is not known.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}).", where=str(path)) from error
    return parse_layout(content, name=str(path))


def parse_layout(content: str | bytes, *, name: str = "layout") -> Layout:
    """Read the text of a layout file: YAML with the keys of `Layout`.

    Raises:
        DataError: A key or value is not known.
    """
    from pydantic import ValidationError

    from raffinate.yaml_files import first_complaint, read_yaml

    document = read_yaml(content, name, FORMAT)
    model = _layout_model()
    try:
        read = model.model_validate(document)
    except ValidationError as error:
        raise first_complaint(error, name, model) from error
    stated: dict[str, Any] = read.model_dump(exclude={"format"})
    for key in (*_CHOICES, "unit"):
        if stated[key]:
            check_choice(key, stated[key], f"{name}: {key}")
    return Layout(**{**stated, "ignore": tuple(stated["ignore"])})


def _layout_model() -> type[BaseModel]:
    """Return the pydantic model of a layout file; made late, for pydantic loads slowly."""
    from pydantic import BaseModel, ConfigDict, Field

    class LayoutFile(BaseModel):
        model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

        format: Literal["raffinate-columns/1"]
        acidity: str = ""
        sheet: str | None = None
        columns: dict[str, str] = Field(default_factory=dict)
        constants: dict[str, str] = Field(default_factory=dict)
        ignore: list[str] = Field(default_factory=list)
        unit: str = ""
        basis: str = "metal"
        below_detection: str = "refuse"
        decimal: str = "point"
        title: str = ""
        reference: str = ""
        licence: str = ""
        note: str = ""

    return LayoutFile


_SPLIT = re.compile(r"(?P<number>[-+]?[\d.,]+(?:[eE][-+]?\d+)?)\s*(?P<unit>\D.*)")


def split_constant(heading: str, value: str) -> tuple[str, str]:
    """Return heading with unit, and number, of a constant such as "1.5 mol/L"."""
    found = _SPLIT.fullmatch(value.strip())
    if found and find_unit(found["unit"]) is not None:
        return f"{heading} ({found['unit']})", found["number"]
    return heading, value.strip()
