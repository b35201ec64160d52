"""Sending to many pages: at once, once, and to slow ones only the present."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from patience import PATIENCE
from raffinate.runtime import page_hub
from raffinate.runtime.page_hub import MOST_WAITING, PageHub, PushTimes, Visitor
from raffinate.runtime.web_sessions import LOCAL, Session


class Feed:
    """Counts what it is asked to write."""

    def __init__(self) -> None:
        self.ready = self.linked = True
        self.states = self.hellos = 0
        self.text = "starting"

    def waiting(self) -> str:
        return self.text

    def hello(self, session: Session) -> str:
        self.hellos += 1
        return f"hello {session.user}"

    def state(self) -> str:
        self.states += 1
        return f"state {self.states}"


def run(work: Callable[[Feed, PageHub], Awaitable[None]], **given: object) -> None:
    async def main() -> None:
        feed = Feed()
        hub = PageHub(feed, **given)  # type: ignore[arg-type]
        task = asyncio.create_task(hub.run())
        try:
            async with asyncio.timeout(PATIENCE):
                await work(feed, hub)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


async def told(visitor: Visitor) -> str:
    found = await visitor.next()
    assert found is not None
    return found[0]


def test_a_state_is_written_once_for_all_pages():
    async def work(feed: Feed, hub: PageHub) -> None:
        visitors = [hub.join(LOCAL) for _ in range(10)]
        for visitor in visitors:
            assert (await told(visitor)).startswith("hello")
            assert (await told(visitor)).startswith("state")
        before = feed.states
        hub.changed()
        assert {await told(visitor) for visitor in visitors} == {f"state {before + 1}"}
        assert feed.states == before + 1

    run(work)


def test_nothing_is_written_while_nobody_looks():
    async def work(feed: Feed, hub: PageHub) -> None:
        hub.changed()
        await asyncio.sleep(0.1)
        assert feed.states == 0

    run(work)


def test_many_changes_become_few_states():
    async def work(feed: Feed, hub: PageHub) -> None:
        hub.join(LOCAL)
        begun = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < begun + 1.0:
            hub.changed()
            await asyncio.sleep(0.001)
        most = 1 + page_hub.BURST + page_hub.RATE * (asyncio.get_running_loop().time() - begun)
        assert 2 <= feed.states <= most + 1

    run(work)


def test_a_slow_page_misses_rows_but_not_the_present_and_is_greeted_anew():
    async def work(feed: Feed, hub: PageHub) -> None:
        visitor = hub.join(LOCAL)
        for number in range(MOST_WAITING + 5):
            hub.broadcast([f"row {number}"])
        states = feed.states
        hub.changed()
        while feed.states == states:
            await asyncio.sleep(0.01)
        hub.broadcast(["lost as well"])
        assert await told(visitor) == f"state {feed.states}"
        hub.changed()
        assert await told(visitor) == "hello local"
        assert (await told(visitor)).startswith("state")
        hub.broadcast(["row"])
        assert await told(visitor) == "row"

    run(work)


def test_only_the_newest_state_waits():
    async def work(feed: Feed, hub: PageHub) -> None:
        visitor = hub.join(LOCAL)
        await told(visitor)
        visitor.offer_state("old", 1.0)
        visitor.offer_state("new", 2.0)
        assert await visitor.next() == ("new", 2.0)
        assert visitor.idle

    run(work)


def test_what_is_waited_for_is_told_when_it_changes():
    async def work(feed: Feed, hub: PageHub) -> None:
        feed.ready = False
        visitor = hub.join(LOCAL)
        assert await told(visitor) == "starting"
        feed.text = "still starting"
        hub.changed()
        assert await told(visitor) == "still starting"
        feed.ready = True
        hub.changed()
        assert await told(visitor) == "hello local"

    run(work)


def test_a_page_whose_session_has_ended_goes():
    other = Session(user="x", role="viewer", key="k")

    async def work(feed: Feed, hub: PageHub) -> None:
        stays, goes = hub.join(LOCAL), hub.join(other)
        for visitor in (stays, goes):
            await told(visitor)
            await told(visitor)
        hub.changed()
        assert (await told(stays)).startswith("state")
        assert await goes.next() is None

    run(work, holds=lambda session: not session.key)


def test_leaving_pages_are_forgotten():
    async def work(feed: Feed, hub: PageHub) -> None:
        visitor = hub.join(LOCAL)
        assert hub.visitors == 1
        hub.leave(visitor)
        assert hub.visitors == 0

    run(work)


def test_the_last_words_are_sent_before_a_page_goes():
    async def work(feed: Feed, hub: PageHub) -> None:
        visitor = hub.join(LOCAL)
        visitor.end()
        assert await told(visitor) == "hello local"
        assert await visitor.next() is None

    run(work)


@pytest.mark.parametrize(("seconds", "place"), [(0.001, 0), (0.002, 0), (0.02, 3), (5.0, 9)])
def test_push_times_fall_into_their_bucket(seconds, place):
    times = PushTimes()
    times.observe(seconds)
    assert times.counts[place] == 1
    assert times.total == seconds
