"""The one place that imports Dask: a client of a local cluster or of a scheduler elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import dask
from distributed import Client, LocalCluster

from raffinate import __version__
from raffinate.errors import SpecificationError
from raffinate.studies.workers import PATIENCE, Workers, worker_count, worker_version

CONNECT_TIMEOUT = 15.0
"""How long a scheduler is called, [s]."""


@contextmanager
def connected(workers: Workers) -> Iterator[tuple[Any, int]]:
    """Yield a client and the number of its workers; a local cluster ends with it.

    Raises:
        SpecificationError: The scheduler cannot be reached, has no workers or other versions.
    """
    with ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.worker.multiprocessing-method": "spawn"}))
        address: Any = workers.scheduler
        if not workers.scheduler:
            address = stack.enter_context(_local(workers))
        client = stack.enter_context(_client(address, workers.scheduler))
        if workers.scheduler:
            _check_workers(client, workers.scheduler)
        yield client, max(1, worker_count(client))


def _local(workers: Workers) -> Any:
    cluster: Any = LocalCluster
    try:
        return cluster(
            n_workers=workers.jobs,
            threads_per_worker=1,
            processes=True,
            memory_limit=workers.memory_limit,
            host="127.0.0.1",
            dashboard_address=None,
            worker_dashboard_address=None,
            silence_logs=logging.CRITICAL,
            preload=["raffinate.studies.dask_worker"],
        )
    except ValueError as error:
        raise SpecificationError(
            f"no such cluster: {error}.",
            where="study",
            mend="Write --memory-limit as 2GB, or leave it out.",
        ) from error


def _client(address: Any, shown: str) -> Any:
    client: Any = Client
    try:
        return client(address, timeout=CONNECT_TIMEOUT)
    except (OSError, TimeoutError, ValueError) as error:
        raise SpecificationError(
            f"cannot be reached ({error}).",
            where=f"--scheduler {shown}",
            allowed="an address such as tcp://192.0.2.10:8786",
            mend="Start it with `dask scheduler`, and workers with `dask worker ADDRESS`.",
        ) from error


def _check_workers(client: Any, shown: str) -> None:
    where = f"--scheduler {shown}"
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
        versions = set(client.run(worker_version).values())
    except TimeoutError as error:
        raise SpecificationError(
            f"it has had no worker for {PATIENCE:g} s.",
            where=where,
            mend="Start one with `dask worker ADDRESS`.",
        ) from error
    except ImportError as error:
        raise SpecificationError(
            f"a worker lacks this package ({error}).",
            where=where,
            mend=f"Install raffinate {__version__} with the extra `studies` there.",
        ) from error
    if versions != {__version__}:
        raise SpecificationError(
            f"its workers have raffinate {', '.join(sorted(versions))}, this is {__version__}.",
            where=where,
            mend="Install the same version everywhere: results would not be of one kind.",
        )
