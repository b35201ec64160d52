"""Sending to many pages: each message is written once and handed to every socket.

A change of a tag reaches the pages at once, not at the next tick of a timer, as long as no more
than a few states a second are asked for. A page that cannot follow misses trend rows and events,
never the present; once it has caught up it is greeted anew and has everything again.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from raffinate.runtime.web_sessions import Session

DEBOUNCE = 0.01
"""Wall time for which the changes of one notification are gathered, [s]."""

RATE = 7.0
"""States a second that are sent on the whole."""

BURST = 3.0
"""States that may follow each other at once, as when both servers tell of one scan."""

HEARTBEAT = 2.0
"""Longest wall time without a state while the links hold, [s]: a page that hears nothing for five
seconds takes its values for old, and a plant at its own pace changes once a minute."""

MOST_WAITING = 200
"""Messages that wait for one page before it counts as behind."""

PUSH_BOUNDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds of the histogram of push times, [s]."""


class Feed(Protocol):
    """What the hub sends; a `PageSource`."""

    @property
    def ready(self) -> bool:
        """Whether there is a plant to show."""

    @property
    def linked(self) -> bool:
        """Whether the last values are those of now."""

    def waiting(self) -> str:
        """Return what is said meanwhile."""

    def hello(self, session: Session) -> str:
        """Return the first message to a visitor."""

    def state(self) -> str:
        """Return the present."""


class Visitor:
    """One open page, and what waits to be sent to it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.greeted = False
        self._known = False
        self._waiting: deque[str] = deque()
        self._state: tuple[str, float | None] | None = None
        self._ended = False
        self._wake = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting and self._state is None

    def greet(self, text: str) -> None:
        """Send a first message, before anything else."""
        self._waiting.clear()
        self.greeted = self._known = True
        self._offer(text)

    def offer(self, text: str) -> None:
        """Send a message; a page that is behind loses it and is greeted anew later."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.clear()
            self.greeted = False
        else:
            self._offer(text)

    def _offer(self, text: str) -> None:
        self._waiting.append(text)
        self._wake.set()

    def offer_state(self, text: str, since: float | None) -> None:
        """Send the present in place of one that still waits.

        Args:
            text: The message.
            since: When what it tells of came, on the monotonic clock; None if nothing did.
        """
        if self._known:
            self._state = (text, since)
            self._wake.set()

    def end(self) -> None:
        """Let the page go once everything that waits is sent."""
        self._ended = True
        self._wake.set()

    async def next(self) -> tuple[str, float | None] | None:
        """Wait for a message to send, and since when it waits; None at the end."""
        while True:
            if self._waiting:
                return self._waiting.popleft(), None
            if self._ended:
                return None
            if self._state is not None:
                state, self._state = self._state, None
                return state
            self._wake.clear()
            await self._wake.wait()


class PushTimes:
    """Histogram of the time from a change of a tag until it was handed to a socket."""

    def __init__(self) -> None:
        self.counts = [0] * (len(PUSH_BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one push."""
        self.counts[bisect_left(PUSH_BOUNDS, seconds)] += 1
        self.total += seconds


class PageHub:
    """All open pages of a run. Everything here runs on the event loop.

    Args:
        feed: Writes the messages.
        holds: Tells whether a session still holds.
    """

    def __init__(self, feed: Feed, holds: Callable[[Session], bool] = lambda _: True) -> None:
        self._feed = feed
        self._holds = holds
        self._visitors: set[Visitor] = set()
        self._dirty = asyncio.Event()
        self._since: float | None = None
        self._said = ""
        self._checked = 0.0
        self.times = PushTimes()
        self.states = 0

    @property
    def visitors(self) -> int:
        """How many pages are open."""
        return len(self._visitors)

    def changed(self) -> None:
        """Say that something the page shows has changed."""
        if self._since is None:
            self._since = time.monotonic()
        self._dirty.set()

    def join(self, session: Session) -> Visitor:
        """Add a page; it is greeted at once, or told what is waited for."""
        visitor = Visitor(session)
        self._visitors.add(visitor)
        if self._feed.ready:
            visitor.greet(self._feed.hello(session))
            visitor.offer_state(self._feed.state(), None)
        else:
            visitor.offer(self._feed.waiting())
        return visitor

    def leave(self, visitor: Visitor) -> None:
        """Forget a page."""
        self._visitors.discard(visitor)

    def end_session(self, session: Session) -> None:
        """Let the pages of a session go."""
        for visitor in self._visitors:
            if visitor.session.key == session.key:
                visitor.end()

    def broadcast(self, messages: Iterable[str]) -> None:
        """Send messages to every page that was greeted."""
        for text in messages:
            for visitor in self._visitors:
                if visitor.greeted:
                    visitor.offer(text)

    def greet_again(self) -> None:
        """Send every page its first message anew, as after much has changed at once."""
        for visitor in self._visitors:
            visitor.greeted = False
        self.changed()

    async def run(self) -> None:
        """Send states as they come, until cancelled."""
        allowance, counted = BURST, time.monotonic()
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await self._dirty.wait()
            except TimeoutError:
                if self._feed.linked:
                    self._push(None)
                self._look_after_visitors()
                continue
            await asyncio.sleep(DEBOUNCE)
            now = time.monotonic()
            allowance, counted = min(BURST, allowance + (now - counted) * RATE), now
            if allowance < 1.0:
                await asyncio.sleep((1.0 - allowance) / RATE)
            allowance -= 1.0
            since, self._since = self._since, None
            self._dirty.clear()
            self._push(since)
            self._look_after_visitors()

    def _push(self, since: float | None) -> None:
        if not self._visitors:
            return
        if not self._feed.ready:
            self._say_waiting()
            return
        for visitor in self._visitors:
            if not visitor.greeted and visitor.idle:
                visitor.greet(self._feed.hello(visitor.session))
        text = self._feed.state()
        self.states += 1
        for visitor in self._visitors:
            visitor.offer_state(text, since)

    def _say_waiting(self) -> None:
        said = self._feed.waiting()
        if said != self._said:
            self._said = said
            for visitor in self._visitors:
                visitor.offer(said)

    def _look_after_visitors(self) -> None:
        """Let those go whose session has ended; once a second is often enough."""
        now = time.monotonic()
        if now - self._checked < 1.0:
            return
        self._checked = now
        for visitor in self._visitors:
            if not self._holds(visitor.session):
                visitor.end()
