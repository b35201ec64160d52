"""What history does with a server's records: take them after the cursor, in order, once each."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Protocol

from raffinate.errors import DataError, RaffinateError, SpecificationError
from raffinate.runtime.historian import DAY_US, Historian
from raffinate.runtime.messages import Note
from raffinate.runtime.records import Record

MOST = 500
"""Records asked for at a time; the server may give fewer. A batch is one transaction."""

INTERVAL = 1.0
"""Longest wall time between two pulls, [s]: what a server said is committed within it, unless the
link is down, and then its ring keeps it."""

ARCHIVE_INTERVAL = 60.0
"""Least wall time between two archivings, [s]; an accelerated run has a night every few seconds."""

LOST = (RaffinateError, OSError, TimeoutError)
"""What a source that does not answer raises."""


class RecordSource(Protocol):
    """A server's records, over a link or from its ring on disk."""

    @property
    def name(self) -> str:
        """Which server: "plant" or "operate"."""

    @property
    def connected(self) -> bool:
        """Whether it answers."""

    @property
    def newest(self) -> int | None:
        """Number of its newest record, as far as it told; None if it has not."""

    async def pull(self, after: int, most: int) -> Sequence[Record]:
        """Return records after a number, the oldest first; none if there are none.

        Raises:
            RaffinateError, OSError, TimeoutError: It does not answer.
        """

    async def news(self, longest: float) -> None:
        """Wait until there may be more, [s] of wall time at most."""


class Keeper:
    """Takes the records of one server into the history.

    Args:
        source: Where they come from.
        historian: Where they go.
        turn: Held while the historian is used: it takes one call at a time.
        epoch_us: UTC at plant time 0, [µs].
    """

    def __init__(
        self, source: RecordSource, historian: Historian, turn: asyncio.Lock, epoch_us: int
    ) -> None:
        self.source: RecordSource = source
        self.cursor = historian.cursor(source.name)
        self.rows = 0
        self.missing = 0
        self.trouble = ""
        self.time_us = 0
        self._historian = historian
        self._turn = turn
        self._epoch_us = epoch_us
        self._behind = False
        self._looked = False

    @property
    def lag(self) -> int | None:
        """Records the server has that are not taken yet; None while it has not told."""
        newest = self.source.newest
        return None if newest is None else max(0, newest - self.cursor)

    async def follow(self, stopped: asyncio.Event) -> None:
        """Take records as they come until stopped."""
        while not stopped.is_set():
            try:
                await self.take_all()
                self.trouble = ""
            except LOST as error:
                self.trouble = str(error) or type(error).__name__
                self._looked = False
            await self.source.news(INTERVAL)

    async def take_all(self, longest: float | None = None) -> int:
        """Take every record there is after the cursor; return how many.

        Args:
            longest: Time for the source to answer, all in all, [s]; None for its own limit.

        Raises:
            RaffinateError, OSError, TimeoutError: The source does not answer.
            HistoryLost: The history cannot be written.
        """
        taken = 0
        end = None if longest is None else asyncio.get_running_loop().time() + longest
        while True:
            # Only the asking is timed: a transaction that was begun must be waited for.
            async with asyncio.timeout_at(end):
                await self._look_behind()
                found = await self.source.pull(self.cursor, MOST)
            records = self._in_order(found)
            if not records:
                return taken
            async with self._turn:
                await asyncio.to_thread(self._take, records)
            self.cursor = records[-1].sequence
            self.time_us = self._epoch_us + round(records[-1].time * 1e6)
            self.rows += sum(_rows(record) for record in records)
            taken += len(records)

    def _take(self, records: Sequence[Record]) -> None:
        try:
            self._historian.take(self.source.name, records, self._epoch_us)
        except RaffinateError as error:
            # Told apart from a link that is down: this one must end the process, which opens
            # the database afresh when it is started again.
            raise HistoryLost(error) from error

    def _in_order(self, found: Sequence[Record]) -> list[Record]:
        """Return what is new, in order, with a note where numbers are missing."""
        kept: list[Record] = []
        last = self.cursor
        for record in sorted(found, key=lambda each: each.sequence):
            if record.sequence <= last:
                continue
            # A history that begins later than its server has missed nothing it ever had.
            gap = record.sequence - last - 1
            if gap and last:
                self.missing += gap
                record = self._noted(
                    record,
                    f"Records {last + 1} to {record.sequence - 1} of {self.source.name} "
                    "are missing in the history",
                )
            kept.append(record)
            last = record.sequence
        if kept and self._behind:
            self._behind = False
            kept[0] = self._noted(
                kept[0],
                f"Records of {self.source.name} up to {self.cursor} may differ from those in "
                "the history: its ring had lost its end",
            )
        return kept

    async def _look_behind(self) -> None:
        """Notice a server that numbers anew what was taken: its disk lost the end of its ring.

        Asked once per connection, because that happens only to a machine that dies. `newest` does
        not tell it: a subscription is later than a pull.
        """
        if self._looked or not self.cursor:
            return
        self._behind = not await self.source.pull(self.cursor - 1, 1)
        self._looked = True

    def _noted(self, record: Record, text: str) -> Record:
        note = Note(time=record.time, kind="run", text=text, priority="medium")
        return replace(record, notes=(*record.notes, note))


class HistoryLost(Exception):
    """The history cannot be written.

    Args:
        error: What the historian said.
    """

    def __init__(self, error: RaffinateError) -> None:
        self.error = error
        super().__init__(str(error))


class Archiver:
    """Writes the archive at night, in a process of its own.

    Args:
        url: The history.
        folder: Of the archive.
        clock: Monotonic, wall [s].
    """

    def __init__(self, url: str, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.state = ""
        self.days = 0
        self._url = url
        self._folder = folder
        self._clock = clock
        self._day: int | None = None
        self._begun = -ARCHIVE_INTERVAL
        self._thread: Thread | None = None
        self._given_up = False

    @property
    def busy(self) -> bool:
        """Whether a thread is at it; the end of the process does not wait for it."""
        return self._thread is not None and self._thread.is_alive()

    def at(self, time_us: int) -> None:
        """Archive if a day is over, of source time [µs], and the last archiving was a while ago."""
        day = time_us // DAY_US
        if self._given_up or self.busy or not time_us or day == self._day:
            return
        if self._clock() - self._begun < ARCHIVE_INTERVAL:
            return
        self._day, self._begun = day, self._clock()
        self._thread = Thread(target=self._work, args=(time_us,), name="archive", daemon=True)
        self._thread.start()

    def finish(self, longest: float) -> None:
        """Wait for a thread that is at it, [s] at most."""
        if self._thread is not None:
            self._thread.join(longest)

    def _work(self, time_us: int) -> None:
        try:
            self.days += archive_apart(self._url, self._folder, time_us)
            self.state = ""
        except SpecificationError as error:
            # DuckDB is not there, and will not come.
            self._given_up = True
            self.state = str(error)
        except (RaffinateError, OSError) as error:
            # Tried again the next night; the database still has the rows.
            self.state = str(error)


def archive_apart(url: str, folder: Path, time_us: int) -> int:
    """Archive complete days in a process of its own, whose memory ends with it.

    Args:
        url: The history; handed over by standard input, as it may hold a password.
        folder: Of the archive.
        time_us: Source time now, UTC [µs].

    Returns:
        Days archived.

    Raises:
        SpecificationError: DuckDB is not installed.
        DataError: The history or the folder cannot be used.
    """
    command = (sys.executable, "-m", "raffinate.runtime.historian_archive")
    done = subprocess.run(
        (*command, str(folder), str(time_us)), input=url, capture_output=True, text=True
    )
    if done.returncode == 0:
        return int(done.stdout)
    text = done.stderr.strip().removeprefix("error: ")
    if done.returncode == SpecificationError.exit_code:
        raise SpecificationError(text)
    raise DataError(text)


def _rows(record: Record) -> int:
    samples = sum(len(sample.elements) for sample in record.samples)
    return len(record.values) + len(record.arrays) + samples
