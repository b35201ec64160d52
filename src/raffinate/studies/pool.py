"""Who solves the cases: this process, or the workers of a Dask scheduler."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import CancelledError
from functools import lru_cache
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from raffinate.numerics.kernel_store import let_kernels_go
from raffinate.studies.extras import needs_extra
from raffinate.studies.model import Case, Study
from raffinate.studies.solve_case import Prepared, Row, failed_row, prepare, solve_case
from raffinate.studies.workers import Workers, check_patience, gone, worker_count

LONGEST_BATCH = 16
"""Cases sent to a worker at once."""

QUEUED = 3
"""Batches on their way per worker."""


def run_here(study: Study, cases: Sequence[Case]) -> Generator[list[Row], None, None]:
    """Solve cases one after another in this process.

    Raises:
        ConvergenceError: The undisturbed plant cannot make its purities.
    """
    if cases:
        prepared = prepare(study)
        for case in cases:
            yield [solve_case(prepared, case)]
            let_kernels_go()


@lru_cache(maxsize=2)
def _prepared(content: bytes) -> Prepared:
    study: Study = pickle.loads(content)
    return prepare(study)


def solve_batch(content: bytes, cases: Sequence[Case]) -> list[Row]:
    """Solve cases on a worker, which prepares a study once.

    Args:
        content: The study, pickled: it travels with each batch, so that a worker that comes in
            place of a lost one has it.
        cases: Which.
    """
    prepared = _prepared(content)
    let_kernels_go()
    return [solve_case(prepared, case) for case in cases]


def run_distributed(
    study: Study, cases: Sequence[Case], workers: Workers
) -> Generator[list[Row], None, None]:
    """Solve cases on the workers of a Dask scheduler, in whatever order they come.

    A worker that is lost loses nothing: what it was at is done by another. A case that takes
    worker after worker with it ends as a row with its error.

    Raises:
        SpecificationError: Dask is missing, the scheduler cannot be reached, or its workers have
            another version.
        RaffinateError: What `prepare` raises on a worker.
    """
    if not cases:
        return
    needs_extra("distributed")
    from raffinate.studies.dask_client import connected

    with connected(workers) as (client, count):
        yield from _gathered(client, study, cases, count)


def batches_of(cases: Sequence[Case], workers: int) -> deque[tuple[Case, ...]]:
    """Return cases in batches: long ones save messages, short ones share the work evenly."""
    size = max(1, min(LONGEST_BATCH, len(cases) // (8 * workers)))
    return deque(tuple(cases[at : at + size]) for at in range(0, len(cases), size))


def _gathered(
    client: Any, study: Study, cases: Sequence[Case], workers: int
) -> Generator[list[Row], None, None]:
    content = pickle.dumps(study)
    waiting = batches_of(cases, workers)
    suspects: deque[Case] = deque()
    running: dict[Any, tuple[Case, ...]] = {}
    ended: SimpleQueue[Any] = SimpleQueue()
    alone = False
    idle_since = monotonic()
    try:
        while waiting or running or suspects:
            if not (waiting or running):
                waiting.append((suspects.popleft(),))
                alone = True
            while waiting and len(running) < QUEUED * workers:
                batch = waiting.popleft()
                future = client.submit(solve_batch, content, batch, pure=False)
                running[future] = batch
                future.add_done_callback(ended.put)
            try:
                future = ended.get(timeout=1.0)
            except Empty:
                idle_since = monotonic() if worker_count(client) else idle_since
                check_patience(client, monotonic() - idle_since)
                continue
            idle_since = monotonic()
            batch = running.pop(future)
            rows = _rows(future, study, batch, alone)
            if rows is None:
                suspects.extend(batch)
            else:
                yield rows
    finally:
        client.cancel(list(running))


def _rows(future: Any, study: Study, batch: tuple[Case, ...], alone: bool) -> list[Row] | None:
    """Return the rows of a batch; None if it may have suffered for what ran beside it."""
    from distributed import KilledWorker

    try:
        rows: list[Row] = future.result()
    except KilledWorker as error:
        if not alone:
            return None
        what = f"worker after worker was lost with this case alone ({error})."
        return [failed_row(study, batch[0], "KilledWorker", what)]
    except CancelledError as error:
        raise gone("the scheduler has dropped the study.") from error
    return rows
