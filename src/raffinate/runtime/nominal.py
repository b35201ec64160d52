"""The nominal state of a plant, solved once and kept: a restart must not wait for a solver."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from raffinate.plant.model import Plant
from raffinate.plant.steady import SteadyState
from raffinate.runtime.checkpoint import load_checkpoint, save_checkpoint
from raffinate.runtime.private_files import write_json
from raffinate.runtime.run_directory import RunDirectory
from raffinate.runtime.solved_states import nominal_state
from raffinate.units import HOUR


def nominal_plant(plant: Plant) -> tuple[Plant, SteadyState]:
    """Return a plant at its nominal flows, and its steady state there.

    Raises:
        ConvergenceError: No flows meet the nominal purities.
    """
    state = nominal_state(plant)
    assert state.operation is not None
    return plant.operated(state.operation), state


def kept_nominal(run: RunDirectory, plant: Plant) -> tuple[Plant, SteadyState]:
    """Return the nominal plant and state of a run; solved at its first start only.

    A plant file that is edited while its run goes on counts from the next run.

    Raises:
        ConvergenceError: No flows meet the nominal purities.
        DataError: What was kept is damaged.
    """
    file: Path = run.checkpoint("nominal")
    key = version("raffinate")
    kept: Any = load_checkpoint(file)
    if isinstance(kept, tuple) and kept[0] == key:
        found: tuple[Plant, SteadyState] = kept[1]
        return found
    found = nominal_plant(plant)
    save_checkpoint(file, (key, found))
    return found


def write_nominal(run: RunDirectory, plant: Plant, state: SteadyState) -> None:
    """Write `nominal.json`, from which the page draws the profile the model wants.

    Keys: `aqueous` and `organic`, by element, [mol/L] per stage; `levers`, [m³/h];
    `reagents_per_t_reo`, [t per t REO].
    """
    elements = plant.circuit.elements
    operation = plant.operation()
    write_json(
        run.path / "nominal.json",
        {
            "aqueous": {e: (state.aqueous[:, k] / 1e3).tolist() for k, e in enumerate(elements)},
            "organic": {e: (state.organic[:, k] / 1e3).tolist() for k, e in enumerate(elements)},
            "reagents_per_t_reo": dict(state.reagents),
            "levers": {name: getattr(operation, name) * HOUR for name in plant.levers},
        },
    )
