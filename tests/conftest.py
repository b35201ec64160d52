"""Settings of every test run: compilation cache, plots without a screen, and the skip list."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from skip_list import parse_skip_list, unlisted

if TYPE_CHECKING:
    from raffinate.plant.model import Plant
    from raffinate.plant.steady import SteadyState

ROOT = Path(__file__).resolve().parent.parent

# Before anything imports JAX or Matplotlib: both read their environment once.
os.environ.setdefault("RAFFINATE_CACHE_DIR", str(ROOT / ".jax_cache"))
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
# The stand-in for the analyzer: a plant of each seed would calibrate its own for some ten seconds.
os.environ.setdefault("RAFFINATE_ANALYZER", "statistical")

# Compiling a kernel inside an example may take seconds, so no deadline.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "local")


@pytest.fixture(scope="session")
def default_plant() -> Plant:
    """The shipped plant, at the flows from which its nominal flows are searched."""
    from raffinate.plant.plant_file import load_plant

    return load_plant("ceprnd_p507")


@pytest.fixture(scope="session")
def nominal_state(default_plant: Plant) -> SteadyState:
    """The shipped plant at its nominal purities."""
    from raffinate.plant.steady import solve_nominal

    return solve_nominal(default_plant)


# Of the thousands of tests of one process; below what a plant's own process keeps.
MOST_REGIONS = 15_000


@pytest.fixture(scope="module", autouse=True)
def kernels_are_let_go() -> Iterator[None]:
    """Drop the kernels of the files before; one that is used again comes from the cache."""
    yield
    if "jax" in sys.modules:
        from raffinate.numerics.kernel_store import let_kernels_go

        let_kernels_go(MOST_REGIONS)


SKIPPED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SKIPPED] = []
    config.pluginmanager.register(SkipRecorder(config.stash[SKIPPED]))


class SkipRecorder:
    """Collects the names of skipped tests and files; an expected failure is no skip."""

    def __init__(self, skipped: list[str]) -> None:
        self.skipped = skipped

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped.append(report.nodeid)


def _unlisted_skips(config: pytest.Config) -> list[str]:
    if os.environ.get("CI") != "true":
        return []
    allowed = parse_skip_list((ROOT / "tests" / "skips.txt").read_text(encoding="utf-8"))
    return unlisted(config.stash[SKIPPED], allowed)


def pytest_sessionfinish(session: pytest.Session) -> None:
    passed = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if passed and _unlisted_skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    names = _unlisted_skips(config)
    if names:
        terminalreporter.section("skipped but not in tests/skips.txt: the run fails", red=True)
        for name in names:
            terminalreporter.line(name)
