"""Rare-earth separation from the lab bench to a running production line.

`import raffinate as rf` is cheap: each name below is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raffinate.chemistry.contact import equilibrate
    from raffinate.chemistry.contact_state import Contact
    from raffinate.chemistry.fit import fit_system
    from raffinate.chemistry.system import ExtractionSystem
    from raffinate.chemistry.system_file import load_system
    from raffinate.errors import (
        BalanceError,
        ConvergenceError,
        DataError,
        RaffinateError,
        SpecificationError,
    )
    from raffinate.lab.shake_out import load_shake_outs
    from raffinate.plant.events import parse_event
    from raffinate.plant.model import Circuit, Liquor, Plant, Section
    from raffinate.plant.plant_file import load_plant
    from raffinate.plant.simulate import Trajectory, simulate
    from raffinate.plant.steady import SteadyState, solve_nominal, solve_steady
    from raffinate.sources import Source
    from raffinate.units import to_si

    __version__: str

__all__ = [
    "BalanceError",
    "Circuit",
    "Contact",
    "ConvergenceError",
    "DataError",
    "ExtractionSystem",
    "Liquor",
    "Plant",
    "RaffinateError",
    "Section",
    "Source",
    "SpecificationError",
    "SteadyState",
    "Trajectory",
    "__version__",
    "equilibrate",
    "fit_system",
    "load_plant",
    "load_shake_outs",
    "load_system",
    "parse_event",
    "simulate",
    "solve_nominal",
    "solve_steady",
    "to_si",
]

_HOMES = {
    "chemistry.contact": ("equilibrate",),
    "chemistry.contact_state": ("Contact",),
    "chemistry.fit": ("fit_system",),
    "chemistry.system": ("ExtractionSystem",),
    "chemistry.system_file": ("load_system",),
    "errors": (
        "BalanceError",
        "ConvergenceError",
        "DataError",
        "RaffinateError",
        "SpecificationError",
    ),
    "lab.shake_out": ("load_shake_outs",),
    "plant.events": ("parse_event",),
    "plant.model": ("Circuit", "Liquor", "Plant", "Section"),
    "plant.plant_file": ("load_plant",),
    "plant.simulate": ("Trajectory", "simulate"),
    "plant.steady": ("SteadyState", "solve_nominal", "solve_steady"),
    "sources": ("Source",),
    "units": ("to_si",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_PARTS = (
    "cascade",
    "chemistry",
    "control",
    "instruments",
    "lab",
    "numerics",
    "plant",
    "plots",
    "runtime",
)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"raffinate.{_HOME[name]}"), name)
    elif name in _PARTS:
        value = import_module(f"raffinate.{name}")
    elif name == "__version__":
        from importlib.metadata import version

        value = version("raffinate")
    else:
        raise AttributeError(f"module 'raffinate' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PARTS})
