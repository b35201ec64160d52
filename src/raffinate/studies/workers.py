"""The workers of a study: which, how many there are, and how long one waits for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from raffinate.errors import SpecificationError

PATIENCE = 60.0
"""How long a study waits for a scheduler that has no worker, [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Which workers.

    Attributes:
        jobs: Processes of a local cluster.
        memory_limit: Of each, as Dask writes it: "2GB", "auto".
        scheduler: Address of a scheduler that runs already; empty for a local cluster.
    """

    jobs: int
    memory_limit: str = "auto"
    scheduler: str = ""


def worker_version() -> str:
    """Return the version of this package where it is called."""
    from raffinate import __version__

    return __version__


def gone(what: str) -> SpecificationError:
    """Return the error of workers that are there no more."""
    return SpecificationError(
        what,
        where="study",
        mend="Start scheduler and workers, and run the study again: what is done is kept.",
    )


def worker_count(client: Any) -> int:
    """Return how many workers a client's scheduler has.

    Raises:
        SpecificationError: The scheduler does not answer.
    """
    try:
        return len(client.nthreads())
    except (OSError, TimeoutError) as error:
        raise gone(f"the scheduler does not answer ({error}).") from error


def check_patience(client: Any, without: float) -> None:
    """Raise if a scheduler has been without a worker for too long.

    Args:
        client: Of the scheduler.
        without: How long it has had none, [s].

    Raises:
        SpecificationError: Longer than `PATIENCE`, or the scheduler is lost.
    """
    if client.status != "running":
        raise gone("the scheduler has gone.")
    if without > PATIENCE:
        raise gone(f"no worker has been there for {PATIENCE:g} s.")
