"""The rule that a skip is either listed or a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from skip_list import AllowedSkip, parse_skip_list, unlisted

TESTS = Path(__file__).resolve().parents[1]

LISTED = """
# a comment
tests/unit/test_a.py::test_one  # needs a second machine
tests/unit/test_b.py::*  # needs Windows
tests/unit/test_c.py::test_grid[1.5-Nd]  # needs a licence
"""


def test_a_line_gives_name_and_reason():
    assert parse_skip_list(LISTED)[0] == AllowedSkip(
        "tests/unit/test_a.py::test_one", "needs a second machine"
    )


@pytest.mark.parametrize(
    ("nodeid", "listed"),
    [
        ("tests/unit/test_a.py::test_one", True),
        ("tests/unit/test_a.py::test_one_more", False),
        ("tests/unit/test_b.py::test_any[x-1]", True),
        ("tests/unit/test_bXpy::test_any", False),
        ("tests/unit/test_c.py::test_grid[1.5-Nd]", True),
        ("tests/unit/test_c.py::test_grid1", False),
    ],
)
def test_only_named_tests_may_be_skipped(nodeid, listed):
    assert (unlisted([nodeid], parse_skip_list(LISTED)) == []) is listed


@pytest.mark.parametrize("line", ["tests/unit/test_a.py::test_one", "tests/x.py::test_y  #"])
def test_a_line_without_reason_is_refused(line):
    with pytest.raises(ValueError, match="line 1"):
        parse_skip_list(line)


def test_the_committed_list_can_be_read():
    parse_skip_list((TESTS / "skips.txt").read_text(encoding="utf-8"))


def _run_skipping_test(folder: Path, *, ci: str, skips: str) -> subprocess.CompletedProcess[str]:
    tests = folder / "tests"
    tests.mkdir()
    for name in ("conftest.py", "skip_list.py"):
        shutil.copy(TESTS / name, tests / name)
    (tests / "skips.txt").write_text(skips, encoding="utf-8")
    (tests / "test_small.py").write_text(
        "import pytest\n"
        "def test_runs(): pass\n"
        "@pytest.mark.skip(reason='try')\ndef test_waits(): pass\n"
        "@pytest.mark.xfail\ndef test_known(): assert False\n",
        encoding="utf-8",
    )
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = tests\n", encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=folder,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("ci", "skips", "exit_code"),
    [
        ("true", "", 1),
        ("true", "tests/test_small.py::test_waits  # shown here\n", 0),
        ("", "", 0),
    ],
)
def test_an_unlisted_skip_fails_the_run_in_ci_only(tmp_path, ci, skips, exit_code):
    run = _run_skipping_test(tmp_path, ci=ci, skips=skips)
    assert run.returncode == exit_code, run.stdout + run.stderr
    assert ("skipped but not in tests/skips.txt" in run.stdout) is bool(exit_code)
    assert "1 passed, 1 skipped, 1 xfailed" in run.stdout
