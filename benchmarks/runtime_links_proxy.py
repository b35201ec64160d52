"""A TCP proxy that can be cut or held, as a cable or a firewall would be."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK = 65_536


class Proxy:
    """Passes bytes from its port to another; methods may be called from any thread.

    Args:
        target: Port on this machine to pass to.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._ended: asyncio.Event = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="proxy", daemon=True)
        self._thread.start()
        self._ready.wait()

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._open.set()
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._ended.wait()
        self._server.close()
        self._drop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if self._refusing:
                return
            with contextlib.suppress(OSError):
                inner = await asyncio.open_connection("127.0.0.1", self._target)
                self._writers.add(inner[1])
                await asyncio.gather(self._pump(reader, inner[1]), self._pump(inner[0], writer))
        finally:
            writer.close()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(CHUNK):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    def _drop(self) -> None:
        for writer in list(self._writers):
            # At once and without a goodbye, as where a cable is pulled.
            writer.transport.abort()
        self._writers.clear()

    def cut(self, seconds: float) -> None:
        """Break every connection, and be nowhere to be found for a time, [s]."""
        asyncio.run_coroutine_threadsafe(self._vanish(), self._loop).result(10.0)
        time.sleep(seconds)
        asyncio.run_coroutine_threadsafe(self._return(), self._loop).result(10.0)

    async def _vanish(self) -> None:
        self._server.close()
        self._drop()

    async def _return(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)

    def reset(self, seconds: float) -> None:
        """Break every connection, and each new one at once, for a time, [s]."""
        self._refusing = True
        self._loop.call_soon_threadsafe(self._drop)
        time.sleep(seconds)
        self._refusing = False

    def hold(self, seconds: float) -> None:
        """Let connections stand, but pass nothing for a time, [s]."""
        self._loop.call_soon_threadsafe(self._open.clear)
        time.sleep(seconds)
        self._loop.call_soon_threadsafe(self._open.set)

    def close(self) -> None:
        """Break everything and stop."""
        self._loop.call_soon_threadsafe(self._open.set)
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10.0)


@contextmanager
def proxy_to(target: int) -> Iterator[Proxy]:
    """Give a proxy that is closed afterwards."""
    found = Proxy(target)
    try:
        yield found
    finally:
        found.close()
