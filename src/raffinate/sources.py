"""Where a number came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Evidence = Literal["sourced", "fitted", "computed", "interpolated", "assumed"]
"""sourced: printed in the reference; fitted: estimated here from sourced data;
computed: follows from sourced numbers; interpolated: read off between measured neighbours of the
series; assumed: nobody has measured it for this case."""

EVIDENCE: dict[str, Evidence] = {name: name for name in get_args(Evidence)}
"""The classes by their names, for doors that read them as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who says so.

    Attributes:
        title: What the source is, in words.
        reference: Citation: authors, year, journal or document, DOI where known.
        evidence: How far the number can be trusted, see `Evidence`.
        licence: Licence of the data as received; empty for plain facts.
        note: Anything a user of the number must know.
    """

    title: str
    reference: str = ""
    evidence: Evidence = "sourced"
    licence: str = ""
    note: str = ""

    def __str__(self) -> str:
        parts = [self.title, self.reference, f"[{self.evidence}]", self.note]
        return "; ".join(part for part in parts if part)
