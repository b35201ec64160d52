"""What a worker process of a local cluster does first; Dask looks for `dask_setup`."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Leave Ctrl+C to the process that runs the study: it ends its workers in good order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
