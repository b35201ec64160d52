"""Print one line that adds up the tests of several JUnit reports."""

from __future__ import annotations

import sys
from collections import Counter
from xml.etree import ElementTree


def tally(paths: list[str]) -> str:
    """Return "tests: N passed, N failed, N skipped" over all reports."""
    counts: Counter[str] = Counter()
    for path in paths:
        for suite in ElementTree.parse(path).getroot().iter("testsuite"):
            failed = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
            skipped = int(suite.attrib["skipped"])
            counts["failed"] += failed
            counts["skipped"] += skipped
            counts["passed"] += int(suite.attrib["tests"]) - failed - skipped
    return "tests: " + ", ".join(
        f"{counts[name]} {name}" for name in ("passed", "failed", "skipped")
    )


if __name__ == "__main__":
    print(tally(sys.argv[1:]))
