"""What the plant's and operate's servers have in common."""

from __future__ import annotations

import asyncio
import contextlib

from raffinate.runtime.opcua_access import Who
from raffinate.runtime.opcua_server import TagServer
from raffinate.runtime.ring import Ring

MOST_TEXT = 2_000_000
"""Most characters in the answer to one pull: well below what OPC UA clients accept."""


async def add_records(server: TagServer, ring: Ring) -> None:
    """Let clients pull records off a ring: `Records.Pull(after, most)`, lines of JSON."""

    def pulled(after: int, most: int) -> str:
        found: list[str] = []
        size = 0
        for line in ring.pull(after, max(1, min(most, 5_000))):
            size += len(line) + 1
            if found and size > MOST_TEXT:
                break
            found.append(line)
        return "\n".join(found)

    async def pull(who: Who, after: int, most: int) -> str:
        return await asyncio.to_thread(pulled, after, most)

    await server.add_method(
        "Records",
        "Pull",
        pull,
        (("After", "Int64"), ("Most", "Int32")),
        (("Records", "String"),),
        role="viewer",
        service=True,
    )


async def watch_stop(event: asyncio.Event, longest: float) -> None:
    """Wait for an event, [s] of wall time at most."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), longest)
