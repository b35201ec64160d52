"""What a test asks the plant itself, over OPC UA, beside what its page says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from patience import PATIENCE
from raffinate.runtime.opcua_client import TagClient
from raffinate.runtime.records import Record, record_from_json
from raffinate.runtime.run_directory import RunDirectory

T = TypeVar("T")


class PlantServer:
    """The plant's server of a run, as its supervisor may see it."""

    def __init__(self, path: Path) -> None:
        self.run = RunDirectory.open(path)

    def read(self, *paths: str) -> list[Any]:
        """Return what tags of the plant's server hold now."""
        return self._read(self.run.settings.plant_endpoint, paths)

    def read_operate(self, *paths: str) -> list[Any]:
        """Return what tags of operate's server hold now."""
        return self._read(self.run.settings.operate_endpoint, paths)

    def records(self, after: int) -> list[Record]:
        """Return the records of the plant after a number."""

        async def pulled(client: TagClient) -> str:
            return str(await client.call("Records", "Pull", after, 100))

        text = self._asked(self.run.settings.plant_endpoint, pulled)
        return [record_from_json(line) for line in text.splitlines()]

    def _read(self, endpoint: str, paths: tuple[str, ...]) -> list[Any]:
        async def read(client: TagClient) -> list[Any]:
            return list(await client.read(paths))

        return self._asked(endpoint, read)

    def _asked(self, endpoint: str, question: Callable[[TagClient], Awaitable[T]]) -> T:
        async def answer() -> T:
            client = TagClient(
                endpoint,
                pki=self.run.pki,
                name="supervisor",
                user="supervisor",
                password=self.run.secrets()["supervisor"],
            )
            await client.connect(PATIENCE)
            try:
                return await question(client)
            finally:
                await client.close()

        # In a thread of its own: a browser driven from this one keeps an event loop running.
        with ThreadPoolExecutor(1) as worker:
            return worker.submit(lambda: asyncio.run(answer())).result()

    def until(self, true: Callable[..., bool], *paths: str, seconds: float = PATIENCE) -> list[Any]:
        """Wait until what tags of the plant hold makes `true` true; return it."""
        end = time.monotonic() + seconds
        while True:
            found = self.read(*paths)
            if true(*found):
                return found
            assert time.monotonic() < end, dict(zip(paths, found, strict=True))
            time.sleep(0.2)
