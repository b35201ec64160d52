"""Studies on worker processes: a lost worker loses nothing, and workers change nothing."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from raffinate.errors import SpecificationError
from raffinate.studies.run_study import run_study
from raffinate.studies.solve_case import Row
from raffinate.studies.workers import Workers
from study_files import small_study

SWEEP = """
method: grid
inputs:
  organic_flow: {how: factor, low: 0.98, high: 1.02, points: 9}
  feed.nd_mass_fraction: {values: [0.36, 0.37, 1.5, 0.38]}
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from distributed import LocalCluster

    make: Any = LocalCluster
    with make(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        worker_dashboard_address=None,
        silence_logs=logging.CRITICAL,
    ) as found:
        yield found


def process_ids(cluster: Any) -> list[int]:
    return [nanny.process.process.pid for nanny in cluster.workers.values()]


def test_a_worker_killed_in_the_middle_loses_nothing(cluster: Any, tmp_path: Path) -> None:
    text = small_study(tmp_path, SWEEP)
    killed: list[int] = []
    came: list[int] = []

    def kill_one(rows: Sequence[Row]) -> None:
        came.extend(int(row["case"]) for row in rows)
        if not killed:
            killed.append(process_ids(cluster)[0])
            os.kill(killed[0], signal.SIGKILL)

    workers = Workers(jobs=0, scheduler=cluster.scheduler_address)
    table = run_study(text, tmp_path / "out", workers=workers, done=kill_one)
    assert killed
    assert killed[0] not in process_ids(cluster)
    assert sorted(came) == list(range(36))
    assert table["case"].tolist() == list(range(36))
    failed = table["error"] != ""
    assert failed.sum() == 9
    assert set(table.loc[failed, "error_kind"]) == {"SpecificationError"}
    here = run_study(text, tmp_path / "here")
    assert table.equals(here)
    files = [(tmp_path / name / "results.parquet").read_bytes() for name in ("out", "here")]
    assert files[0] == files[1]


def test_a_study_that_is_done_needs_no_worker(tmp_path: Path) -> None:
    text = small_study(tmp_path, SWEEP.replace("points: 9", "points: 2"))
    first = run_study(text, tmp_path / "out")
    nowhere = Workers(jobs=0, scheduler="tcp://127.0.0.1:1")
    assert run_study(text, tmp_path / "out", workers=nowhere).equals(first)


def test_a_scheduler_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raffinate.studies.dask_client.CONNECT_TIMEOUT", 1.0)
    text = small_study(tmp_path, SWEEP)
    with pytest.raises(SpecificationError, match=r"tcp://127\.0\.0\.1:1"):
        run_study(text, tmp_path / "out", workers=Workers(jobs=0, scheduler="tcp://127.0.0.1:1"))


def test_workers_of_another_version_are_refused(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raffinate.studies.dask_client.__version__", "0.0.1")
    text = small_study(tmp_path, SWEEP)
    with pytest.raises(SpecificationError, match=r"this is 0\.0\.1"):
        run_study(
            text,
            tmp_path / "out",
            workers=Workers(jobs=0, scheduler=cluster.scheduler_address),
        )
