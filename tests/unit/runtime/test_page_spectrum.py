"""The page asks for the analyzer's last spectrum."""

from __future__ import annotations

import asyncio
import json

from raffinate.runtime.page_requests import RequestDesk
from raffinate.runtime.web_sessions import Session

SHOWN = {"place": "nd", "sample_time": 180.0, "counts": [1, 2]}


def asked(message, spectrum):
    async def audit(*_, **__):
        raise AssertionError("looking is not audited")

    desk = RequestDesk(
        plant=None,
        operate=None,
        history=None,
        in_thread=None,
        what_if=None,
        first_speed=1.0,
        audit=audit,
        spectrum=lambda: spectrum,
    )
    viewer = Session(key="k", user="eve", role="viewer")
    answers = []
    asyncio.run(desk.take(json.dumps(message), viewer, object(), answers.append))
    return answers[0]


def test_anyone_who_may_look_gets_the_last_spectrum():
    answer = asked({"type": "spectrum", "sample_time": None}, SHOWN)
    assert answer == {"type": "spectrum", "analyzer": None, "spectrum": SHOWN, "same": False}


def test_a_spectrum_the_page_has_is_not_sent_again():
    answer = asked({"type": "spectrum", "sample_time": 180.0}, SHOWN)
    assert answer == {"type": "spectrum", "analyzer": None, "spectrum": None, "same": True}
    assert asked({"type": "spectrum", "sample_time": 0.0}, SHOWN)["spectrum"] == SHOWN


def test_where_there_is_none_that_is_said():
    answer = asked({"type": "spectrum"}, None)
    assert answer == {"type": "spectrum", "analyzer": None, "spectrum": None, "same": False}
