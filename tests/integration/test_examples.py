"""Every example runs, and so does every Python block of README and docs that says it does.

A block says so by the comment `<!-- runnable -->` on the line above its fence. The runnable
blocks of one page run in one process, in order, as a reader would type them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

RUNNABLE = re.compile(
    r"^<!-- runnable -->\n+```python[^\n]*\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


def runnable_blocks(page: str) -> list[str]:
    """Return the code of each marked block, in order."""
    return [match["code"] for match in RUNNABLE.finditer(page)]


def blocks_of(path: Path) -> list[str]:
    return runnable_blocks(path.read_text(encoding="utf-8"))


PAGES_WITH_CODE = [path for path in PAGES if path.exists() and blocks_of(path)]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def run_script(path: Path, folder: Path) -> None:
    """Run a file in an empty folder, so that what it writes stays out of the checkout."""
    run = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", str(path)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )
    assert run.returncode == 0, f"{run.stdout[-2000:]}\n{run.stderr[-4000:]}"


@pytest.mark.parametrize("example", EXAMPLES, ids=relative)
def test_example_runs(example, tmp_path):
    run_script(example, tmp_path)


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=relative)
def test_code_of_page_runs(page, tmp_path):
    script = tmp_path / f"{page.stem}.py"
    script.write_text("\n".join(blocks_of(page)), encoding="utf-8")
    run_script(script, tmp_path)


def test_readme_gives_a_first_result_in_eight_lines():
    first = blocks_of(ROOT / "README.md")[0]
    assert len([line for line in first.splitlines() if line.strip()]) <= 8
    assert "import raffinate" in first


def test_only_marked_blocks_are_run():
    page = (
        "<!-- runnable -->\n```python\na = 1\n```\n"
        "```python\nb = 2\n```\n"
        "<!-- runnable -->\n\n```python\nc = 3\n\nd = 4\n```\n"
        "<!-- runnable -->\n```console\n$ raffinate\n```\n"
    )
    assert runnable_blocks(page) == ["a = 1\n", "c = 3\n\nd = 4\n"]
