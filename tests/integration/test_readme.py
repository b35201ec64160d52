"""What the README says the first result is, it is; its pictures and pages exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_first_result_is_what_the_readme_prints(tmp_path: Path) -> None:
    found = re.search(
        r"<!-- runnable -->\s+```python\n(.*?)```\s+```text\n(.*?)```", README, re.DOTALL
    )
    assert found is not None
    run = subprocess.run(
        [sys.executable, "-c", found[1]], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout == found[2]


def test_links_and_pictures_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)", README)
    assert len(targets) > 5
    for target in targets:
        assert (ROOT / target).exists(), target
