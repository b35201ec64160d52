"""Arrays of phase volumes that follow the flows: what is built, what is held, what flows."""

from __future__ import annotations

from typing import NamedTuple

from raffinate.cascade.entrainment import Entrained
from raffinate.numerics.jax_setup import Array


class Weirs(NamedTuple):
    """What lets both layers of a settler out; all (stage,).

    Attributes:
        area: Of the free surface, [m²].
        organic_height: Of the weir the organic overflows, from the floor, [m].
        aqueous_height: Of the weir the aqueous overflows behind an underflow, [m].
        overflow_time: In which either weir passes the volume above it, [s].
        density_ratio: Organic to aqueous, [-].
    """

    area: Array
    organic_height: Array
    aqueous_height: Array
    overflow_time: Array
    density_ratio: Array


class Hydraulics(NamedTuple):
    """Vessels whose phase volumes follow the flows.

    Attributes:
        mixer: Volume of the mixers, always full, (stage,), [m³].
        weirs: Of the settlers; None keeps both layers of every settler at their volumes, as
            level and interface controllers would.
        capacity: Flow of both phases that a settler separates, (stage,), [m³/s]; of what is
            beyond, half of either phase leaves the wrong way. None separates whatever comes.
    """

    mixer: Array
    weirs: Weirs | None = None
    capacity: Array | None = None


class Volumes(NamedTuple):
    """Phase volumes at one moment, or their rates of change.

    Attributes:
        mixer_aqueous: Aqueous in the mixers, (stage,), [m³]; the rest of a mixer is organic.
        settler_aqueous: Aqueous in one cell of a settler, (stage,), [m³].
        settler_organic: Organic in one cell of a settler, (stage,), [m³].
        tank: Organic in the make-up tank, [m³].
    """

    mixer_aqueous: Array
    settler_aqueous: Array
    settler_organic: Array
    tank: Array


class MovingFlows(NamedTuple):
    """Flows of a bank whose volumes move; all (stage,), [m³/s].

    Attributes:
        leaving: Aqueous that enters a mixer, without the recycle.
        passed: Aqueous that goes down from a settler.
        organic: Organic that enters a mixer.
        entrained: What of them goes the wrong way or is fed to the organic; None if nothing is.
    """

    leaving: Array
    passed: Array
    organic: Array
    entrained: Entrained | None = None
