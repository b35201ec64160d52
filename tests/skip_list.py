"""Which tests may be skipped where CI=true: the lines of tests/skips.txt."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AllowedSkip:
    """One line of the list: test names, `*` standing for any text, and why they may be skipped."""

    pattern: str
    reason: str

    def matches(self, nodeid: str) -> bool:
        # fnmatch would read the brackets of parametrized names as character classes.
        expression = ".*".join(re.escape(part) for part in self.pattern.split("*"))
        return re.fullmatch(expression, nodeid, flags=re.DOTALL) is not None


def parse_skip_list(text: str) -> tuple[AllowedSkip, ...]:
    """Read lines of the form `tests/unit/test_x.py::test_*  # reason`.

    Raises:
        ValueError: A line gives no reason.
    """
    allowed = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        pattern, mark, reason = (part.strip() for part in line.partition("  #"))
        if not (pattern and mark and reason):
            raise ValueError(f"skips.txt line {number}: write 'test name  # reason', not {line!r}")
        allowed.append(AllowedSkip(pattern, reason))
    return tuple(allowed)


def unlisted(skipped: list[str], allowed: tuple[AllowedSkip, ...]) -> list[str]:
    """Return the skipped tests that no line of the list names."""
    return [nodeid for nodeid in skipped if not any(line.matches(nodeid) for line in allowed)]
