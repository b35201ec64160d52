"""`import raffinate` and `raffinate --help` load nothing heavy, seen from a fresh process."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"jax", "jaxlib", "scipy", "asyncua", "fastapi", "matplotlib", "pandas"}

IMPORT = "import raffinate"
LIST_NAMES = "import raffinate; dir(raffinate); raffinate.__all__"
HELP = """
import sys
from raffinate.cli.main import main
sys.argv = ["raffinate", "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""
REPORT = """
import sys
print("LOADED", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize("code", [IMPORT, LIST_NAMES, HELP], ids=["import", "dir", "help"])
def test_nothing_heavy_is_loaded(code):
    run = subprocess.run(
        [sys.executable, "-c", code + REPORT], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    mark, *loaded = run.stdout.splitlines()[-1].split()
    assert mark == "LOADED"
    assert "raffinate" in loaded
    assert not HEAVY & set(loaded)
