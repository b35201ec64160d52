"""History as a process: `python -m raffinate.runtime.history_process RUN_DIRECTORY`.

A client of both servers. What they say is in their rings until it is in the history, so history
may end and come back at any moment without a gap.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Sequence
from typing import Any

from raffinate.errors import DataError
from raffinate.runtime.historian import Historian, open_historian
from raffinate.runtime.history_keeper import LOST, Archiver, HistoryLost, Keeper
from raffinate.runtime.history_sources import LinkSource, disk_source, link_sources
from raffinate.runtime.process_status import StatusWriter, StopRequest, process_main
from raffinate.runtime.run_directory import RunDirectory

RETRY = (1.0, 30.0)
"""First and longest wait before the database is tried again, wall [s]."""

LAST_PULL = 2.0
"""Time for what servers that still live have to tell at the end, wall [s]."""


def keep_history(run: RunDirectory, status: StatusWriter, stop: StopRequest) -> None:
    """Keep the history of a run until the stop request.

    Raises:
        RaffinateError: The history can no longer be written.
        SpecificationError: The history cannot be kept where the settings say.
    """
    historian = opened(run, status, stop)
    if historian is None:
        return
    archiver = Archiver(run.history_url, run.archive)
    # What an archiving that was not waited for has left behind.
    for left in run.archive.glob(".archive-*"):
        shutil.rmtree(left, ignore_errors=True)
    try:
        asyncio.run(_serve(run, historian, archiver, status, stop))
    except* HistoryLost as group:
        first = group.exceptions[0]
        assert isinstance(first, HistoryLost)
        raise first.error from None
    finally:
        historian.close()


def opened(run: RunDirectory, status: StatusWriter, stop: StopRequest) -> Historian | None:
    """Open the history, waiting for a database that does not answer; None if asked to stop.

    A database that is down must not keep a plant from being run: its servers' rings hold the
    records meanwhile.

    Raises:
        SpecificationError: The history cannot be kept where the settings say.
    """
    wait, longest = RETRY
    while True:
        try:
            historian = open_historian(run.history_url)
        except DataError as error:
            status.beat(trouble=str(error))
        else:
            status.beat(trouble=None)
            return historian
        until = time.monotonic() + wait
        while time.monotonic() < until:
            if stop.wait(0.2):
                return None
            status.beat()
        wait = min(2.0 * wait, longest)


async def _serve(
    run: RunDirectory,
    historian: Historian,
    archiver: Archiver,
    status: StatusWriter,
    stop: StopRequest,
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    stop.then(lambda: loop.call_soon_threadsafe(stopped.set))
    turn = asyncio.Lock()
    sources = link_sources(run)
    keepers = [Keeper(source, historian, turn, run.settings.epoch_us) for source in sources]
    try:
        for source in sources:
            await source.open()
        status.running()
        async with asyncio.TaskGroup() as tasks:
            for keeper in keepers:
                tasks.create_task(keeper.follow(stopped))
            tasks.create_task(_tell(keepers, archiver, status, stopped))
        await drain(run, keepers)
        status.beat(**told(keepers, archiver))
    finally:
        await _close(sources)


async def drain(run: RunDirectory, keepers: Sequence[Keeper]) -> None:
    """Take what is left at the end: over the link from those that live, from disk of the others.

    Raises:
        HistoryLost: The history cannot be written.
    """
    for keeper in keepers:
        with contextlib.suppress(*LOST):
            if keeper.source.connected:
                await keeper.take_all(LAST_PULL)
        with contextlib.suppress(*LOST):
            disk = disk_source(run, keeper.source.name)
            if disk is not None:
                with contextlib.closing(disk):
                    keeper.source = disk
                    await keeper.take_all()


def told(keepers: Sequence[Keeper], archiver: Archiver) -> dict[str, Any]:
    """Return the details of the status."""
    trouble = [keeper.trouble for keeper in keepers if keeper.trouble]
    return {
        "links": {
            f"history → {keeper.source.name}": {
                "connected": keeper.source.connected and not keeper.trouble,
                "trouble": keeper.trouble,
            }
            for keeper in keepers
        },
        "cursor": {keeper.source.name: keeper.cursor for keeper in keepers},
        "lag_records": {keeper.source.name: keeper.lag for keeper in keepers},
        "missing_records": sum(keeper.missing for keeper in keepers),
        "archived_days": archiver.days,
        "archive": archiver.state or None,
        "trouble": trouble[0] if trouble else None,
    }


async def _tell(
    keepers: Sequence[Keeper], archiver: Archiver, status: StatusWriter, stopped: asyncio.Event
) -> None:
    """Keep the status, and have the archive written when a day is over."""
    before, rows = time.monotonic(), 0
    while not stopped.is_set():
        now, count = time.monotonic(), sum(keeper.rows for keeper in keepers)
        if now > before:
            status.beat(rows_per_s=round((count - rows) / (now - before), 1))
        before, rows = now, count
        status.beat(**told(keepers, archiver))
        archiver.at(max(keeper.time_us for keeper in keepers))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), 1.0)


async def _close(sources: Sequence[LinkSource]) -> None:
    for source in sources:
        with contextlib.suppress(*LOST):
            await source.close()


if __name__ == "__main__":
    process_main("history", keep_history)
