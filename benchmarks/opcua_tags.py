"""Cost of serving tags over OPC UA: all of them new once a second, encrypted, to one subscriber.

Server and subscriber are two processes of this machine. Prints JSON: `server_cpu_percent` and
`client_cpu_percent` of one core (medians over windows after a warm-up), `missed` values out of
those published, and the machine. `--plain` takes asyncua's own subscriptions for comparison.

    python benchmarks/opcua_tags.py --tags 5000 --seconds 10
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from raffinate.runtime import opcua_speed
from raffinate.runtime.opcua_client import TagClient
from raffinate.runtime.opcua_server import TagServer
from raffinate.runtime.tags import Tag

WARM_UP = 3.0
"""Seconds before the first window: log-in, creation of the items, first values."""

WINDOW = 2.0
"""Length of a window, [s]."""

FOLDER = 20
"""Tags in a folder."""

ACCOUNT = ("benchmark", "not a secret")


def tags_of(number: int) -> tuple[Tag, ...]:
    """Return so many tags of numbers in folders."""
    return tuple(
        Tag(
            path=f"Area{i // FOLDER**2}/Unit{i // FOLDER % FOLDER}/Flow{i % FOLDER}",
            kind="Double",
            unit="m³/h",
        )
        for i in range(number)
    )


async def measured(seconds: float) -> list[float]:
    """Return the share of a core this process takes in each window, [%]."""
    await asyncio.sleep(WARM_UP)
    shares = []
    for _ in range(max(round(seconds / WINDOW), 1)):
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.sleep(WINDOW)
        shares.append(100.0 * (time.process_time() - cpu) / (time.perf_counter() - wall))
    return shares


async def serve(pki: Path, number: int, seconds: float) -> None:
    """Publish new values once a second; print the address, then what it cost."""
    tags = tags_of(number)
    server = TagServer(
        name="plant",
        host="127.0.0.1",
        port=0,
        tags=tags,
        pki=pki,
        users=None,
        internal={ACCOUNT[0]: (ACCOUNT[1], "service")},
        audit=lambda entry: None,
    )
    async with server:
        # What stands by now stays; the collector need not look through it again and again.
        gc.freeze()
        server.publish({tag.path: 0.0 for tag in tags})
        print(server.endpoint, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        shares = asyncio.create_task(measured(seconds))
        tick, begin = 0, time.perf_counter()
        while not shares.done():
            tick += 1
            server.publish({tag.path: tick + 1e-5 * i for i, tag in enumerate(tags)})
            await asyncio.sleep(max(begin + tick - time.perf_counter(), 0.0))
        print(json.dumps({"shares": shares.result()}), flush=True)


async def subscribe(
    pki: Path, endpoint: str, number: int, seconds: float, go: Any
) -> dict[str, Any]:
    """Mirror all tags; return what it cost and what was missed."""
    client = TagClient(endpoint, pki=pki, name="history", user=ACCOUNT[0], password=ACCOUNT[1])
    received: dict[int, int] = {}
    async with client:
        mirror: Any = None

        def count(keys: Any) -> None:
            if mirror is not None:
                tick = int(mirror[keys[0]].value)
                received[tick] = received.get(tick, 0) + len(keys)

        mirror = await client.mirror(tags_of(number), 1000.0, count)
        gc.freeze()
        go()
        shares = await measured(seconds)
    # The first and the last second are cut by the begin and the end of watching.
    ticks = sorted(received)[1:-1]
    if not ticks:
        raise SystemExit(f"{number} tags a second are more than this machine can serve.")
    span = range(ticks[0], ticks[-1] + 1)
    missed = sum(number - received.get(tick, 0) for tick in span)
    return {"shares": shares, "missed": missed, "published": number * len(span)}


def main() -> None:
    """Run both processes and print what they cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tags", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--plain", action="store_true", help="asyncua's own subscriptions")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.plain:
        opcua_speed.VERSIONS = ("none",)
    if given.serve:
        asyncio.run(serve(given.serve, given.tags, given.seconds))
        return
    with tempfile.TemporaryDirectory() as folder:
        pki = Path(folder) / "pki"
        command = [sys.executable, __file__, *sys.argv[1:], "--serve", str(pki)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            stdin = server.stdin

            def go() -> None:
                stdin.write("go\n")
                stdin.flush()

            endpoint = server.stdout.readline().strip()
            client = asyncio.run(subscribe(pki, endpoint, given.tags, given.seconds, go))
            shares = json.loads(server.stdout.readline())["shares"]
    print(
        json.dumps(
            {
                "tags": given.tags,
                "server_cpu_percent": round(statistics.median(shares), 1),
                "client_cpu_percent": round(statistics.median(client["shares"]), 1),
                "seconds": given.seconds,
                "missed": client["missed"],
                "published": client["published"],
                "plain": given.plain,
                "machine": {
                    "processor": platform.machine(),
                    "cores": os.cpu_count(),
                    "python": platform.python_version(),
                },
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
