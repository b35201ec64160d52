"""Who may do what with alarms."""

from __future__ import annotations

from typing import get_args

import pytest

from raffinate.runtime.alarms import ROLE_OF_ACTION, Action, may
from raffinate.runtime.tags import Role


def test_every_action_has_a_role() -> None:
    assert set(ROLE_OF_ACTION) == set(get_args(Action))


@pytest.mark.parametrize("action", get_args(Action))
def test_engineers_may_all_and_viewers_and_programs_nothing(action: Action) -> None:
    refused: tuple[Role, ...] = ("viewer", "guard", "service")
    assert may("engineer", action)
    assert not any(may(role, action) for role in refused)


def test_operators_acknowledge_and_shelve_and_do_not_suppress() -> None:
    allowed = {action for action in get_args(Action) if may("operator", action)}
    assert allowed == {"acknowledge", "acknowledge_all", "comment", "shelve", "unshelve"}
