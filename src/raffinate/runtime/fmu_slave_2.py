"""The script inside an FMI 2 FMU: hands variables and steps on to `raffinate` as installed."""

from __future__ import annotations

from functools import partial
from typing import Any

from pythonfmu import (
    Boolean,
    DefaultExperiment,
    Fmi2Causality,
    Fmi2Slave,
    Fmi2Variability,
    Integer,
    Real,
)

from raffinate.runtime.fmu_model import load_model
from raffinate.runtime.messages import CONTROL_PERIOD

_KINDS = {"real": Real, "integer": Integer, "boolean": Boolean}
_VARIABILITY = {
    "input": Fmi2Variability.continuous,
    "output": Fmi2Variability.continuous,
    # The twin is built from its parameters.
    "parameter": Fmi2Variability.fixed,
}


class RaffinateTwin(Fmi2Slave):  # type: ignore[misc]
    """A twin as an FMI 2 co-simulation slave."""

    description = "Rare-earth solvent extraction: the virtual plant of raffinate"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.default_experiment = DefaultExperiment(start_time=0.0, step_size=CONTROL_PERIOD)
        self._model = load_model(self.resources)
        for variable in self._model.variables:
            self.register_variable(
                _KINDS[variable.kind](
                    variable.name,
                    causality=Fmi2Causality[variable.causality],
                    variability=_VARIABILITY[variable.causality],
                    description=variable.description,
                    getter=partial(self._model.get, variable.name),
                    setter=partial(self._model.set, variable.name),
                )
            )

    def exit_initialization_mode(self) -> None:
        """Build the twin."""
        self._model.begin()

    def do_step(self, current_time: float, step_size: float) -> bool:
        """Advance the twin."""
        self._model.step(step_size)
        return True
