"""Starts copies of the plant for pages that ask what would happen, and tells them how it goes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from raffinate.errors import SpecificationError

HOURS = (1.0, 240.0)
"""Shortest and longest look ahead, plant hours."""

MOST = 2
"""Copies that run at a time: each takes what a core has left."""

LONGEST = 600.0
"""Wall time after which a copy is given up, [s]."""

LONGEST_LINE = 8 * 1024 * 1024
"""Bytes of one line of a copy; the last holds its whole result."""

Answer = Callable[[dict[str, Any]], None]


class WhatIfRunner:
    """The copies that run now, one for each page that asked.

    Args:
        run_dir: The run whose plant is copied.
        command: What is run, before its arguments.
    """

    def __init__(self, run_dir: Path, command: tuple[str, ...] = ()) -> None:
        self._run_dir = run_dir
        self._command = command or (sys.executable, "-m", "raffinate.runtime.what_if")
        self._tasks: dict[object, asyncio.Task[None]] = {}

    async def start(
        self,
        who: object,
        number: Any,
        levers: Mapping[str, float],
        hours: float,
        answer: Answer,
    ) -> None:
        """Start a copy; the one the same page asked for before ends.

        Args:
            who: The page.
            number: Its `id` of the question, given back with every answer.
            levers: Setpoints to try, [m³/h]; the others stay as they are.
            hours: How far to look ahead, plant hours.
            answer: Sends to the page.

        Raises:
            SpecificationError: The hours are out of range, or too many copies run.
        """
        if not HOURS[0] <= hours <= HOURS[1]:
            raise SpecificationError(
                f"hours is {hours:g}.", where="what_if", allowed=f"{HOURS[0]:g} to {HOURS[1]:g}"
            )
        await self.cancel(who)
        if len(self._tasks) >= MOST:
            raise SpecificationError(
                f"{len(self._tasks)} copies of the plant run already.",
                where="what_if",
                allowed=f"{MOST} at a time",
                mend="Wait for one to end.",
            )
        task = asyncio.create_task(self._run(number, levers, hours, answer))
        self._tasks[who] = task
        task.add_done_callback(lambda done: self._forget(who, done))

    def _forget(self, who: object, task: asyncio.Task[None]) -> None:
        if self._tasks.get(who) is task:
            del self._tasks[who]

    async def cancel(self, who: object) -> None:
        """End the copy of a page, if it has one."""
        task = self._tasks.pop(who, None)
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def close(self) -> None:
        """End every copy."""
        for who in list(self._tasks):
            await self.cancel(who)

    async def _run(
        self, number: Any, levers: Mapping[str, float], hours: float, answer: Answer
    ) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            str(self._run_dir),
            "--levers",
            json.dumps(dict(levers)),
            "--hours",
            f"{hours:g}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=LONGEST_LINE,
        )
        done = False
        try:
            assert process.stdout is not None
            async with asyncio.timeout(LONGEST):
                async for line in process.stdout:
                    found = json.loads(line)
                    done = done or bool(found.get("done"))
                    answer({"type": "what_if", "id": number, **found})
                await process.wait()
        except (TimeoutError, ValueError):
            pass
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if not done:
            answer({"type": "what_if", "id": number, **failed("The copy of the plant broke off.")})


def failed(text: str) -> dict[str, Any]:
    """Return the answer of a copy that came to nothing."""
    return {
        "progress": 1.0, "live": False, "done": True, "columns": None, "profile": None,
        "products": None, "text": text,
    }  # fmt: skip
