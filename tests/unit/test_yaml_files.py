"""What the door for YAML files says of the slips that files are made with."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from raffinate.errors import DataError
from raffinate.yaml_files import StrictEntry, first_complaint, read_yaml

HEAD = "format: test/1\n"


class Part(StrictEntry):
    share: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    flow: Annotated[float, Field(gt=0)] = 1.0
    stages: Annotated[int, Field(ge=1, le=2000)] = 1
    fractions: dict[str, float] | None = None
    names: list[str] | None = None


class Whole(StrictEntry):
    format: str
    part: Part


def said(text: str) -> dict[str, Any]:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(read_yaml(f"{HEAD}part: {{{text}}}", "mine.yaml", "test/1"))
    return first_complaint(caught.value, "mine.yaml", Whole).to_dict()


@pytest.mark.parametrize(
    ("text", "key", "allowed", "mend"),
    [
        ("flow: -2", "flow", "more than 0", "Write 2 if the minus"),
        ("stages: 0", "stages", "1 or more", "Write 1 or more."),
        ("stages: 3000", "stages", "2000 or less", "Write 2000 or less."),
        ("stages: 1.5", "stages", "a whole number", ""),
        ("share: 36", "share", "less than 0.5", "36 % is 0.36"),
        ("share: 36 %", "share", "a number", "0.36 for 36 %"),
        ("flow: '1,2'", "flow", "a number", "decimal point"),
        ("flow: two", "flow", "a number", ""),
        ("flow: 2 m3/h", "flow", "a number", "Write the number alone, 2: the key says the unit."),
        ("names: {a: 1}", "names", "a list", "'- '"),
        ("names: tank", "names", "a list", "[tank]"),
        ("fractions: {La: 0,3614}", "fractions.3614.[key]", "text", "In { } a comma"),
    ],
)
def test_a_slip_is_told_with_what_is_allowed_and_how_to_mend_it(text, key, allowed, mend):
    found = said(text)
    assert found["where"] == f"mine.yaml: part.{key}"
    assert found["allowed"] == allowed
    assert mend in found["mend"]
    assert bool(found["mend"]) == bool(mend)


def test_a_long_value_is_cut_short():
    found = said("names: {" + ", ".join(f"name_{n}: 1" for n in range(50)) + "}")
    assert len(found["what"]) < 90
    assert found["what"].endswith("….")


@pytest.mark.parametrize("word", ["on", "no", "Yes", "OFF"])
def test_a_key_that_yaml_takes_for_true_or_false_is_told(word):
    """A splitter with outlets `on` and `back`, say."""
    with pytest.raises(DataError, match=f'write it in quotes, "{word}"') as caught:
        read_yaml(f"format: some/1\nfractions: {{{word}: 0.5, back: 0.5}}\n", "mine", "some/1")
    assert "line 2" in caught.value.where
