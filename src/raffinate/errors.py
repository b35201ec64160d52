"""Every error `raffinate` raises on purpose: where, what, what is allowed, and the mend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class RaffinateError(Exception):
    """Base of all deliberate errors.

    Args:
        what: What is wrong, with the value and its unit.
        where: The place: file and key, section, stage, tag or argument.
        allowed: The permitted range or the permitted names.
        mend: What the reader can do about it.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", allowed: str = "", mend: str = "") -> None:
        self.what = what
        self.where = where
        self.allowed = allowed
        self.mend = mend
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.allowed:
            text += f" Allowed: {self.allowed}."
        if self.mend:
            text += f" {self.mend}"
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return the error as the command line's `--json` prints it."""
        return {"where": self.where, "what": self.what, "allowed": self.allowed, "mend": self.mend}


class SpecificationError(RaffinateError):
    """A plant, argument or setting that cannot be run as written."""


class DataError(RaffinateError):
    """A file or table that cannot be read as what it claims to be."""


class ConvergenceError(RaffinateError):
    """A solve that did not converge.

    Args:
        history: Norm of the residual at each iteration, [-].
        worst_stage: Stage with the largest residual, counted from 1.
        worst_element: Component with the largest residual there.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        allowed: str = "",
        mend: str = "",
        history: Sequence[float] = (),
        worst_stage: int | None = None,
        worst_element: str = "",
    ) -> None:
        self.history = tuple(float(value) for value in history)
        self.worst_stage = worst_stage
        self.worst_element = worst_element
        if worst_stage is not None:
            what += f" Worst: stage {worst_stage}, {worst_element}."
        if self.history:
            shown = ", ".join(f"{value:.1e}" for value in self.history[-6:])
            what += f" Residuals of the last iterations: {shown}."
        super().__init__(what, where=where, allowed=allowed, mend=mend)

    def to_dict(self) -> dict[str, Any]:
        """Return the error with its residual history and worst place."""
        return {
            **super().to_dict(),
            "history": list(self.history),
            "worst_stage": self.worst_stage,
            "worst_element": self.worst_element,
        }


class BalanceError(RaffinateError):
    """A solution in which what enters is not what leaves."""

    exit_code = 1


def nearest_name(wrong: str, known: Sequence[str]) -> str:
    """Return a hint naming the known name closest to `wrong`, or list them all."""
    import difflib

    close = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
