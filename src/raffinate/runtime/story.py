"""What will befall a virtual plant in a run, from the run's settings."""

from __future__ import annotations

from raffinate.errors import SpecificationError, nearest_name
from raffinate.plant.events import Event, parse_event
from raffinate.runtime.run_directory import RunSettings
from raffinate.runtime.upsets import DEFAULT_STORY, UPSETS
from raffinate.units import to_si

Happening = tuple[Event, str]
"""An event of the world, and its title."""


def default_story() -> tuple[Happening, ...]:
    """Return the upsets a run meets by default, over thirty days."""
    return tuple((UPSETS[name].begun(time), UPSETS[name].title) for time, name in DEFAULT_STORY)


def events_of(settings: RunSettings, elements: tuple[str, ...]) -> tuple[Happening, ...]:
    """Return the events of a run; steps stand in the place of a story.

    Raises:
        SpecificationError: An event cannot be read.
    """
    if settings.steps:
        return tuple((parse_event(text, elements), text) for text in settings.steps)
    if settings.story == "default":
        return default_story()
    if settings.story == "none":
        return ()
    return tuple(_happening(text, title, elements) for text, title in settings.story)


def _happening(text: str, title: str, elements: tuple[str, ...]) -> Happening:
    name, at, time = text.partition("@")
    if name in UPSETS and at:
        return UPSETS[name].begun(to_si(time, "s")), title or UPSETS[name].title
    if name.isidentifier():
        raise SpecificationError(
            f"{name!r} is no upset.", where="story", mend=nearest_name(name, tuple(UPSETS))
        )
    return parse_event(text, elements), title or text
