"""The door for YAML files: unique keys, one complaint at a time, the nearest known name."""

from __future__ import annotations

import re
import types
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from raffinate.errors import DataError, nearest_name
from raffinate.sources import Evidence, Source

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class StrictEntry(BaseModel):
    """A part of a file: unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceEntry(StrictEntry):
    """A source as a file states it; see `raffinate.sources.Source`."""

    title: str
    reference: str = ""
    evidence: Evidence = "sourced"
    licence: str = ""
    note: str = ""

    def source(self) -> Source:
        """Return it as a value."""
        return Source(**self.model_dump())


def require_sources(named: dict[str, str], sources: Collection[str], where: str) -> None:
    """Refuse a key that names no source.

    Args:
        named: By place in the file, the key of the source that is named there.
        sources: Keys of the sources the file has.
        where: Name of the file, for errors.

    Raises:
        DataError: With the place and the nearest key.
    """
    for place, key in named.items():
        if key not in sources:
            raise DataError(
                f"{key!r} is not among the sources.",
                where=f"{where}: {place}",
                mend=nearest_name(key, tuple(sources)),
            )


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML keeps the last of two equal keys in silence; a table of constants must not."""


def _construct_unique(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for place, (key, (position, _)) in enumerate(zip(keys, node.value, strict=True)):
        if isinstance(key, bool):
            raise yaml.MarkedYAMLError(
                problem=f"the key {position.value} is read as {str(key).lower()}: write it in "
                f'quotes, "{position.value}"',
                problem_mark=position.start_mark,
            )
        if key in keys[:place]:
            raise yaml.MarkedYAMLError(
                problem=f"key {key!r} stands twice", problem_mark=position.start_mark
            )
    return loader.construct_mapping(node, deep=True)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_unique)


def read_yaml(content: str | bytes, where: str, expected: str) -> dict[Any, Any]:
    """Return the mapping a YAML file holds.

    Args:
        content: Text, or bytes in UTF-8.
        where: Name of the file, for errors.
        expected: Value its `format` key must have.

    Raises:
        DataError: It is no YAML mapping, or of another format.
    """
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        document = yaml.load(text, Loader=_UniqueKeyLoader)
    except UnicodeDecodeError as error:
        raise DataError(
            f"byte {error.start} is not UTF-8 text.", where=where, mend="Save it as UTF-8."
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise DataError(f"not YAML: {problem}.", where=f"{where}{line}") from error
    if not isinstance(document, dict):
        raise DataError(
            f"the file holds a {type(document).__name__}, not keys and values.",
            where=where,
            mend=f"Begin it with 'format: {expected}'.",
        )
    return document


MOST_SHOWN = 60
"""Letters of a refused value that an error repeats."""

_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")
_LIMITS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
}
_NUMBER_UNIT = re.compile(r"([-+]?[0-9]+\.?[0-9]*)\s*[^\W\d].*")
_NUMBERS = ("float_type", "float_parsing", "int_type", "int_parsing")
_QUOTED = re.compile(r"'([^']*)'")
_NUMBER, _WHOLE = "a number", "a whole number"
_KINDS = {
    **dict.fromkeys(("float_type", "float_parsing"), _NUMBER),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _WHOLE),
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
}


def first_complaint(error: ValidationError, where: str, model: type[BaseModel]) -> DataError:
    """Return the most telling complaint of a validation as an error of ours.

    A misspelt key is both unknown and missing; only the first says how to mend it.
    """
    complaint = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    path = [str(part) for part in complaint["loc"]]
    place = f"{where}: {'.'.join(path)}" if path else where
    if complaint["type"] == "extra_forbidden":
        known = _keys_beside(path, model)
        return DataError(
            f"unknown key {path[-1]!r}.", where=place, mend=_nearest_key(path[-1], known)
        )
    if complaint["type"] == "missing":
        return DataError("the key is missing.", where=place, mend="Add it.")
    given = complaint["input"]
    shown = repr(given)
    shown = shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}…"
    return DataError(
        f"the value is {shown}.", where=place, allowed=_allowed(complaint), mend=_mend(complaint)
    )


def _nearest_key(wrong: str, known: tuple[str, ...]) -> str:
    """Return a hint at the key that was meant: most often one that lacks its unit."""
    longer = [key for key in known if key.startswith(f"{wrong}_")]
    if len(longer) == 1:
        return f"Did you mean {longer[0]!r}? Keys wear their unit."
    return nearest_name(wrong, known)


def _allowed(complaint: ErrorDetails) -> str:
    """Return in words what a value may be."""
    kind = complaint["type"]
    if kind == "literal_error":
        return str(complaint["ctx"]["expected"])
    if kind == "union_tag_invalid":
        return f"{complaint['ctx']['discriminator'].strip(chr(39))}: {_tags(complaint, ' or ')}"
    if kind == "union_tag_not_found":
        return f"an entry with {complaint['ctx']['discriminator'].strip(chr(39))}"
    if kind in _LIMITS:
        return _LIMITS[kind].format(**{k: f"{v:g}" for k, v in complaint["ctx"].items()})
    return _KINDS.get(kind, complaint["msg"])


def _mend(complaint: ErrorDetails) -> str:
    """Return the mend of the slips that files are most often made with."""
    given, kind, path = complaint["input"], complaint["type"], complaint["loc"]
    if complaint["loc"][-1:] == ("[key]",):
        return "In { } a comma begins the next entry: write a decimal point, 0.5 and not 0,5."
    if kind == "list_type":
        if isinstance(given, str):
            return f"Write it as a list: [{given}]."
        return "Begin each entry with '- '."
    if kind == "union_tag_invalid":
        return nearest_name(str(complaint["ctx"]["tag"]), _tags(complaint, "|").split("|"))
    if kind == "literal_error" and isinstance(given, str):
        return nearest_name(given, _QUOTED.findall(str(complaint["ctx"]["expected"])))
    if _is_number(given):
        return "Write 1.0e-5, not 1e-5: YAML reads the latter as text."
    if kind in _NUMBERS and isinstance(given, str) and (found := _NUMBER_UNIT.fullmatch(given)):
        return f"Write the number alone, {found[1]}: the key says the unit."
    if isinstance(given, str) and _DECIMAL_COMMA.fullmatch(given.strip()):
        return "Write a decimal point, not a comma."
    if isinstance(given, str) and given.strip().endswith("%"):
        return "Write a share of 1: 0.36 for 36 %."
    limits = complaint.get("ctx", {})
    most = limits.get("lt", limits.get("le"))
    if kind.startswith("less_than") and most is not None and most <= 1.0 < float(given) <= 100.0:
        return f"It is a share of 1: {float(given):g} % is {float(given) / 100.0:g}."
    if kind == "less_than" and most == given == 1 and "purity" in ".".join(map(str, path)):
        return "Nothing is that pure: write how pure it must be, 0.999 for 99.9 %."
    if kind.startswith("greater_than") and float(given) < 0.0:
        return f"Write {-float(given):g} if the minus is a slip."
    return f"Write {_allowed(complaint)}." if kind in _LIMITS else ""


def _tags(complaint: ErrorDetails, between: str) -> str:
    """Return the kinds an entry may be of."""
    return between.join(_QUOTED.findall(str(complaint["ctx"]["expected_tags"])))


def _is_number(given: object) -> bool:
    try:
        float(str(given))
    except ValueError:
        return False
    return isinstance(given, str)


def _keys_beside(path: list[str], model: type[BaseModel]) -> tuple[str, ...]:
    """Return the keys allowed where the last part of `path` stands."""
    here: type[BaseModel] = model
    for part in path[:-1]:
        if part in here.model_fields:
            inner = _model_within(here.model_fields[part].annotation)
            here = inner if inner is not None else here
    return tuple(here.model_fields)


def _model_within(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, dict, tuple, Union, types.UnionType):
        for argument in get_args(annotation):
            found = _model_within(argument)
            if found is not None:
                return found
    return None
