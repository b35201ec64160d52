"""Figure: writes and calls at random, by everybody, to every node of both servers.

The servers are those of a run with its tags, in a process of their own: the plant's with the real
PLC behind the real door for plans, operate's with a host that takes whatever the server lets pass.
So what is judged is the server's gate, its limits, its audit trail and the PLC, and not a plant.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from runtime_fuzz_live import live
from runtime_fuzz_server import PASSWORD, PROGRAMS, tags_of
from runtime_fuzz_values import Corpus
from runtime_support import HERE, Figure, Limit, say

from raffinate.errors import RaffinateError
from raffinate.runtime.audit import read_audit, verify_audit
from raffinate.runtime.opcua_client import TagClient
from raffinate.runtime.opcua_types import ua
from raffinate.runtime.users import UserTable

SEED = 1
PEOPLE = {
    "vera": "viewer",
    "otto": "operator",
    "enid": "engineer",
}
BATCH = 400
"""Writes in one request of people."""

PLAN = 6
"""Most writes in one request of the guard, whose first refused one refuses the rest."""

SHARES = {"anonymous": 0.2, "vera": 0.2, "otto": 0.2, "enid": 0.2, "history": 0.15, "operate": 0.05}
"""Who makes which share of the writes; fewer of the guard, whose requests are small."""


class Fuzzer:
    """One client that writes and calls whatever comes to its mind.

    Args:
        client: Connected.
        corpus: Nodes and values to choose from.
        user: Who it is.
        calls: Call methods too.

    Attributes:
        statuses: Answers to its writes, by name of the status.
        calls: Answers to its calls.
    """

    def __init__(self, client: TagClient, corpus: Corpus, user: str, *, calls: bool = True) -> None:
        self._calls = calls
        self._client = client
        self._corpus = corpus
        self._guard = user == "operate"
        self.statuses: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    async def write(self, number: int) -> None:
        """Make so many writes, and a call now and then."""
        left = number
        while left > 0:
            most = self._corpus.generator.randint(1, PLAN) if self._guard else BATCH
            items = self._corpus.plan(most) if self._guard else self._corpus.writes(min(most, left))
            params = ua.WriteParameters(NodesToWrite=items)
            for status in await self.session.write(params):
                self.statuses[status.name] += 1
            left -= len(items)
            if self._calls and self._corpus.generator.random() < 0.2:
                (result,) = await self.session.call([self._corpus.call()])
                self.calls[result.StatusCode.name] += 1

    @property
    def session(self) -> Any:
        """Asyncua's own session: it sends what a well-behaved client would not."""
        return self._client._client.uaclient.session


@asynccontextmanager
async def fuzzer(folder: Path, endpoint: str, user: str, corpus: Corpus) -> AsyncIterator[Fuzzer]:
    """Give a connected fuzzer."""
    known = None if user == "anonymous" else user
    client = TagClient(
        endpoint,
        pki=folder / "pki",
        name="fuzzer",
        user=known,
        password=PASSWORD if known else None,
    )
    await client.connect(10.0)
    try:
        yield Fuzzer(client, corpus, user)
    finally:
        await client.close()


async def attack(folder: Path, endpoints: Mapping[str, str], writes: int) -> dict[str, Any]:
    """Let everybody write; return what was answered, by server and user."""
    told: dict[str, Any] = {name: {} for name in endpoints}

    async def together(users: Sequence[str]) -> float:
        """Let these users write to both servers at once; return the time it took, [s]."""
        async with AsyncExitStack() as stack:
            ready = []
            for name, endpoint in endpoints.items():
                for user in users:
                    corpus = Corpus(tags_of(name), random.Random(f"{SEED} {name} {user}"))
                    door = fuzzer(folder, endpoint, user, corpus)
                    ready.append((name, user, await stack.enter_async_context(door)))
            begun = time.perf_counter()
            await asyncio.gather(
                *(f.write(round(SHARES[user] * writes / len(endpoints))) for _, user, f in ready)
            )
            spent = time.perf_counter() - begun
            for name, user, f in ready:
                told[name][user] = {"writes": dict(f.statuses), "calls": dict(f.calls)}
        return spent

    # While nobody is entered, a visitor without a name is let in; afterwards no longer.
    spent = await together(("anonymous",))
    enter_people(folder / "users.json")
    let_in = sum([await _is_let_in(folder, endpoint) for endpoint in endpoints.values()])
    spent += await together((*PEOPLE, *PROGRAMS))
    return {"answers": told, "seconds": spent, "anonymous_let_in": let_in}


async def _is_let_in(folder: Path, endpoint: str) -> bool:
    """Return whether a server admits a visitor without a name."""
    client = TagClient(endpoint, pki=folder / "pki", name="fuzzer")
    try:
        await client.connect()
    except RaffinateError:
        return False
    await client.close()
    return True


def enter_people(path: Path) -> None:
    """Enter a user of each role."""
    table = UserTable.load(path)
    for name, role in PEOPLE.items():
        table.add(name, role, PASSWORD)
    table.save()


def fuzz(reduced: bool) -> Figure:
    """Make a million writes (20,000 if reduced)."""
    writes = 20_000 if reduced else 1_000_000
    with tempfile.TemporaryDirectory(prefix="raffinate-bench-") as name:
        folder = Path(name)
        command = [sys.executable, str(HERE / "runtime_fuzz_server.py"), str(folder)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            endpoints = json.loads(process.stdout.readline())
            found = asyncio.run(attack(folder, endpoints, writes))
            process.stdin.write("end\n")
            process.stdin.flush()
            verdicts = json.loads(process.stdout.readline())
        trails = {each: folder / f"audit-{each}.jsonl" for each in endpoints}
        kept = {each: list(read_audit(path)) for each, path in trails.items()}
        sound = {each: verify_audit(path).sound for each, path in trails.items()}
    done = sum(sum(u["writes"].values()) for s in found["answers"].values() for u in s.values())
    rate = done / found["seconds"]
    say(f"  {done} writes in {found['seconds']:.0f} s")
    judged = judged_answers(found["answers"], kept)
    limits = [
        *_limits(verdicts, judged),
        Limit(what="log-ins without a name", value=found["anonymous_let_in"], must=0),
        Limit(what="refused calls not audited", value=judged["calls_unaudited"], must=0),
        Limit(what="broken audit trails", value=sum(not s for s in sound.values()), must=0),
        Limit(what="writes answered", value=done),
        Limit(what="writes per second", value=round(rate)),
    ]
    detail = {"answers": found["answers"], "servers": verdicts, **judged["detail"]}
    if not reduced:
        more, detail["live"] = fuzz_live()
        limits += more
    return Figure(title="Fuzzed writes", limits=limits, detail=detail)


def fuzz_live() -> tuple[list[Limit], dict[str, Any]]:
    """Write to the processes of a run."""

    async def write(client: TagClient, corpus: Corpus, user: str, number: int) -> dict[str, int]:
        found = Fuzzer(client, corpus, user, calls=False)
        await found.write(number)
        return dict(found.statuses)

    tags = {name: tags_of(name) for name in ("plant", "operate")}
    words = dict.fromkeys(PEOPLE, PASSWORD)
    return live(tags, enter_people, words, write, judged_answers)


def _limits(verdicts: Mapping[str, Any], judged: Mapping[str, Any]) -> list[Limit]:
    beyond = sum(len(each["beyond"]) + each["plc_beyond"] for each in verdicts.values())
    changed = sum(len(each["changed"]) for each in verdicts.values())
    return [
        Limit(what="values beyond their limits", value=beyond, must=0),
        Limit(what="measurements changed by a client", value=changed, must=0),
        Limit(what="accepted from a viewer or nobody", value=judged["by_viewers"], must=0),
        Limit(what="writes not audited", value=judged["unaudited"], must=0),
    ]


def judged_answers(answers: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Compare what clients were answered with what the audit trails hold."""
    by_viewers = unaudited = calls_unaudited = 0
    entries = {}
    for server, users in answers.items():
        rows = [row for row in kept[server] if row["what"] not in ("log-in", "connection")]
        calls = [row for row in rows if str(row["what"]).endswith("()")]
        writes = [row for row in rows if not str(row["what"]).endswith("()")]
        for user, told in users.items():
            answered = Counter(told["writes"])
            audited = Counter(_status(row) for row in writes if row["user"] == user)
            if user == "operate":
                # Its accepted writes are plans, which stand in the history.
                answered.pop("Good", None)
            if user in ("anonymous", "vera"):
                by_viewers += answered["Good"]
            unaudited += sum(((answered - audited) + (audited - answered)).values())
            denied = told["calls"].get("BadUserAccessDenied", 0)
            calls_unaudited += abs(denied - sum(row["user"] == user for row in calls))
        entries[server] = len(kept[server])
    return {
        "by_viewers": by_viewers,
        "unaudited": unaudited,
        "calls_unaudited": calls_unaudited,
        "detail": {"audit_entries": entries},
    }


def _status(row: Mapping[str, Any]) -> str:
    return "Good" if row["accepted"] else str(row["reason"]).partition(":")[0]
