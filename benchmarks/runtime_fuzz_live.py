"""Fuzzed writes to the processes of a run while its plant moves."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runtime_books import books_of
from runtime_fuzz_values import Corpus
from runtime_support import (
    LEVERS,
    Limit,
    RunningPlant,
    asked,
    called,
    ring_records,
    running_plant,
    say,
    wait_for,
)

from raffinate.runtime.audit import read_audit
from raffinate.runtime.opcua_client import TagClient
from raffinate.runtime.run_directory import RunDirectory

WRITES = 20_000
SPEED = "1200"

Write = Callable[[TagClient, Corpus, str, int], Any]
"""Makes writes with a client; returns the answers, counted."""


async def attack(
    run: RunDirectory, tags: Mapping[str, Any], users: Mapping[str, str], write: Write
) -> dict[str, Any]:
    """Let each user write to both servers of a run at once; return the answers."""
    endpoints = {"plant": run.settings.plant_endpoint, "operate": run.settings.operate_endpoint}
    told: dict[str, Any] = {name: {} for name in endpoints}

    async def one(name: str, user: str, word: str) -> None:
        corpus = Corpus(tags[name], random.Random(f"live {name} {user}"))
        client = TagClient(
            endpoints[name], pki=run.pki, name="fuzzer", user=user, password=word
        )  # fmt: skip
        await client.connect(10.0)
        try:
            count = WRITES // (len(users) * len(endpoints))
            told[name][user] = {"writes": await write(client, corpus, user, count), "calls": {}}
        finally:
            await client.close()

    await asyncio.gather(
        *(one(name, user, word) for name in endpoints for user, word in users.items())
    )
    return told


def live(
    tags: Mapping[str, Any],
    enter: Callable[[Path], None],
    people: Mapping[str, str],
    write: Write,
    judge: Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]],
) -> tuple[list[Limit], dict[str, Any]]:
    """Write to a running plant as people and as a process that may only read.

    Args:
        tags: Of both servers.
        enter: Enters people into a user table.
        people: Passwords by name.
        write: Makes writes.
        judge: Compares answers with audit trails.
    """
    options = ("--no-story", "--seed", "9", "--hours", "8760", "--speed", SPEED)
    with running_plant(*options, users=enter) as plant:
        plant.wait_running()
        run = plant.run
        users = {**people, "history": run.secrets()["history"]}
        begun = time.perf_counter()
        answers = asyncio.run(attack(run, tags, users, write))
        spent = time.perf_counter() - begun
        (before,) = asked(run, "plant", "PLC/Scan")
        wait_for(lambda: asked(run, "plant", "PLC/Scan")[0] > before, "the plant goes on", 60.0)
        changed = _changed(plant)
        plant.stop()
        books = books_of(run)
        kept = {name: list(read_audit(run.audit_file(name))) for name in answers}
    done = sum(sum(u["writes"].values()) for s in answers.values() for u in s.values())
    judged = judge(answers, kept)
    say(f"  {done} writes to a running plant in {spent:.0f} s")
    limits = [
        Limit(what="running plant: measurements changed", value=len(changed), must=0),
        Limit(what="running plant: accepted from a viewer", value=judged["by_viewers"], must=0),
        Limit(what="running plant: writes not audited", value=judged["unaudited"], must=0),
        *(
            Limit(what=f"running plant: {what}", value=value, must=0)
            for what, value in books.counts.items()
        ),
        Limit(what="running plant: writes answered", value=done),
        Limit(what="running plant: writes per second", value=round(done / spent)),
    ]
    return limits, {"answers": answers, "changed": changed, **books.detail}


def _changed(plant: RunningPlant) -> list[str]:
    """Hold plant time, and return the tags that differ from what the plant last recorded."""
    run = plant.run
    called(run, "Pace", "SetSpeed", 0.0)
    wait_for(lambda: asked(run, "plant", "Pace/Phase") == ["paused"], "pause", 30.0)
    time.sleep(1.0)
    step = next(r for r in reversed(ring_records(run, "plant")) if "PLC/Remote" in r.values
                and f"Levers/{LEVERS[0]}/Measured" in r.values)  # fmt: skip
    # What people did since is no part of a step; what flows and stands in the bank is.
    told = {p: v for p, v in step.values.items() if p.startswith(("Levers/", "Truth/Feed"))}
    found = asked(run, "plant", *told)
    return [
        f"{path} is {value}, was {told[path]}"
        for path, value in zip(told, found, strict=True)
        if value != told[path]
    ]
