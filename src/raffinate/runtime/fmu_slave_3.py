"""The script inside an FMI 3 FMU: hands variables and steps on to `raffinate` as installed."""

from __future__ import annotations

from functools import partial
from typing import Any

from pythonfmu3 import (
    Boolean,
    DefaultExperiment,
    Float64,
    Fmi3Causality,
    Fmi3Slave,
    Fmi3StepResult,
    Fmi3Variability,
    Int64,
)

from raffinate.runtime.fmu_model import load_model
from raffinate.runtime.messages import CONTROL_PERIOD

_KINDS = {"real": Float64, "integer": Int64, "boolean": Boolean}
_VARIABILITY = {
    "input": Fmi3Variability.continuous,
    "output": Fmi3Variability.continuous,
    # The twin is built from its parameters.
    "parameter": Fmi3Variability.fixed,
}


class RaffinateTwin(Fmi3Slave):  # type: ignore[misc]
    """A twin as an FMI 3 co-simulation slave."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.description = "Rare-earth solvent extraction: the virtual plant of raffinate"
        self.default_experiment = DefaultExperiment(start_time=0.0, step_size=CONTROL_PERIOD)
        self._model = load_model(self.resources)
        self.time = 0.0
        self.register_variable(
            Float64(
                "time",
                causality=Fmi3Causality.independent,
                variability=Fmi3Variability.continuous,
            )
        )
        for variable in self._model.variables:
            self.register_variable(
                _KINDS[variable.kind](
                    variable.name,
                    causality=Fmi3Causality[variable.causality],
                    variability=_VARIABILITY[variable.causality],
                    description=variable.description,
                    getter=partial(self._model.get, variable.name),
                    setter=partial(self._model.set, variable.name),
                )
            )

    def exit_initialization_mode(self) -> None:
        """Build the twin."""
        self._model.begin()

    def do_step(self, current_time: float, step_size: float) -> Fmi3StepResult:
        """Advance the twin."""
        self._model.step(step_size)
        self.time = current_time + step_size
        return Fmi3StepResult()
