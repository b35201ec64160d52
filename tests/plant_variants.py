"""The shipped plant with other stages, volumes or chemistry, for tests that need it small."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

from raffinate.plant.model import Plant

SMALL = (3, 3, 2)
"""Stages of a plant that compiles and solves in no time, in the smallest size bucket."""


def default_text() -> str:
    """Return the shipped plant file."""
    return (files("raffinate.data") / "ceprnd_p507.yaml").read_text(encoding="utf-8")


def restaged(
    plant: Plant, stages: tuple[int, int, int], *, efficiency: float | None = None
) -> Plant:
    """Return the plant with other stage counts, and another efficiency if one is given."""
    sections = tuple(
        replace(section, stages=count, efficiency=efficiency or section.efficiency)
        for section, count in zip(plant.circuit.sections, stages, strict=True)
    )
    return replace(plant, circuit=replace(plant.circuit, sections=sections))


def enlarged(
    plant: Plant, *, mixers: float = 1.0, settlers: float = 1.0, tank: float = 1.0
) -> Plant:
    """Return the plant with vessels of other volumes, as multiples."""
    sections = tuple(
        replace(
            section,
            mixer=section.mixer * mixers,
            settler_organic=section.settler_organic * settlers,
            settler_aqueous=section.settler_aqueous * settlers,
        )
        for section in plant.circuit.sections
    )
    tank *= plant.circuit.organic_tank
    return replace(plant, circuit=replace(plant.circuit, sections=sections, organic_tank=tank))


def with_cation_constant(plant: Plant, decades: float, *, cation: str | None = None) -> Plant:
    """Return the plant with the saponification constant moved, and the cation renamed."""
    system = plant.circuit.system
    system = replace(
        system,
        log10_saponification_constant=system.log10_saponification_constant + decades,
        saponifying_cation=cation or system.saponifying_cation,
    )
    return replace(plant, circuit=replace(plant.circuit, system=system))
