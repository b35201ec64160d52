"""The online analyzer of the virtual plant: sample line, flow cell, and what makes its readings."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import DataError
from raffinate.instruments.calibrate_result import Calibration
from raffinate.instruments.reading import Reading
from raffinate.instruments.sampling_bias import BiasFilter, bias_rows
from raffinate.instruments.sampling_cell import FlowCell, freed_of_carry_over
from raffinate.instruments.sampling_recalibration import CheckOutcome
from raffinate.instruments.schedule import Slot
from raffinate.instruments.xrf import OnlineXRF
from raffinate.instruments.xrf_chain import NO_LAW, DriftLaw, Measured, XrfChain
from raffinate.instruments.xrf_chain_build import ChainSpec, Machine, commissioned
from raffinate.instruments.xrf_chain_view import spectrum_view
from raffinate.instruments.xrf_standin import StandInXRF
from raffinate.instruments.xrf_standin_file import load_standin, shipped_standins
from raffinate.numerics.jax_setup import cache_directory
from raffinate.plant.analyzer_plan import AnalyzerPlan
from raffinate.plant.model import Plant
from raffinate.runtime.checkpoint import load_checkpoint, save_checkpoint
from raffinate.runtime.messages import CHECK, CHECK_ALARM
from raffinate.runtime.twin_analyzer_checks import CheckDesk, check_rows

Array = NDArray[np.float64]
_Made = TypeVar("_Made")

CALIBRATED_SD = 0.002
"""Sd of an element's bias after calibration, [-]: that of the standards' certificates, assumed."""

CALIBRATED_WALK = 0.0005
"""Growth of it in a day, [-]; assumed."""

READINGS_KEPT = 24
"""Readings of a product that wait for their assay: nine hours of them, twice what one takes."""


class TwinAnalyzer:
    """Reads liquors as the plant's analyzer would; remembers what was in its cell.

    Args:
        plant: Its elements and the plan of its analyzer.
        seed: Fixes the analyzer's physics and its cell.
        gain: Draws the calibration error of the statistical model; None for none.
        matched: Make it perfect: physics as quantified, nothing carried over, no drift.

    Attributes:
        name: Written into readings of the plant.
        checks: Blank and standard; None for an analyzer that is not checked.
    """

    name = "xrf"

    def __init__(
        self, plant: Plant, seed: int, gain: np.random.Generator | None, *, matched: bool
    ) -> None:
        plan, elements = plant.analyzer, plant.circuit.elements
        self._plan = plan
        self._cell = None if matched else flow_cell(plan)
        self._true_cell = self._cell if self._cell is None else _drawn(self._cell, seed)
        self._held: Array | None = None
        self._before: Reading | None = None
        self._last: Measured | None = None
        self._products = tuple(plant.products)
        self._recent: dict[str, tuple[Reading, ...]] = {}
        self._filter = BiasFilter(
            elements=elements, first_sd=CALIBRATED_SD, walk_sd=CALIBRATED_WALK
        )
        # A stand-in's bias is what its analyzer has left after all correction.
        corrects = plan.corrected_by_laboratory and not matched
        self._bias = self._filter.start(0.0) if corrects else None
        self.checks = (
            None if plan.checks is None else CheckDesk(plan.checks, elements, seed, matched=matched)
        )
        self._chain: XrfChain | None = None
        self._statistical = _statistical(plant, gain, self.name)
        if plan.model == "chain":
            spec = ChainSpec(elements=elements, seed=seed, matched=matched)
            self._chain = XrfChain(
                spec=spec,
                calibration=kept_calibration(spec),
                count_time=plan.count_time,
                law=NO_LAW if matched else DriftLaw(),
                name=self.name,
            )
            self._state = self._chain.start(0.0)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out of checkpoints what is large and can be had again: spectrum and machine."""
        chain = None if self._chain is None else replace(self._chain, made=None)
        return {**self.__dict__, "_last": None, "_chain": chain}

    def prepare(self) -> None:
        """Make what the first spectrum needs."""
        if self._chain is not None:
            self._chain = replace(self._chain, made=kept_machine(self._chain))

    def measure(
        self, slot: Slot, metals: Array, acid: float, generator: np.random.Generator
    ) -> Reading:
        """Return the reading of a slot, freed of what the cell held before.

        A reading of a stream is corrected by checks and laboratory; one of a blank or standard is
        left as read, for `checked` to judge.

        Args:
            slot: Stream and times.
            metals: Of the stream, true, (element,), [mol/m³].
            acid: Free acid of it, [mol/m³].
            generator: Source of the noise.
        """
        content, purge = np.append(metals, acid), slot.sample_time - slot.purge_time
        if self._true_cell is not None:
            content = self._true_cell.filled(self._held, content, purge)
            self._held = content
        reading = self._read(slot, content, generator)
        before, self._before = self._before, reading if _finite(reading) else None
        is_check = self.checks is not None and slot.stream in self.checks.contents
        if _finite(reading) and self._cell is not None:
            reading = freed_of_carry_over(reading, before, self._cell, purge)
        if is_check:
            return replace(reading, instrument=CHECK)
        return self._corrected(reading) if _finite(reading) else reading

    def _corrected(self, reading: Reading) -> Reading:
        if self._bias is not None and reading.place in self._products:
            kept = (*self._recent.get(reading.place, ()), reading)
            self._recent[reading.place] = kept[-READINGS_KEPT:]
        if self.checks is not None:
            reading = self.checks.book.corrected(reading)
        return reading if self._bias is None else self._filter.corrected(self._bias, reading)

    def checked(self, reading: Reading) -> CheckOutcome:
        """Judge a blank or standard whose result has become known, and recalibrate if it asks to.

        Raises:
            KeyError: The analyzer has no such check.
        """
        assert self.checks is not None
        before = self.checks.book.correction.span
        outcome = self.checks.take(reading)
        if self._bias is not None:
            change = self.checks.book.correction.span - before
            self._bias = self._filter.rescaled(self._bias, change)
        return outcome

    def learn(self, assay: Reading) -> None:
        """Take in an assay beside the reading sampled nearest to it, as soon as it is known."""
        read = self._recent.get(assay.place)
        if self._bias is None or not read:
            return
        nearest = min(read, key=lambda one: abs(one.sample_time - assay.sample_time))
        if self.checks is not None:
            # As it would be read today: zero and span may have been set since.
            nearest = self.checks.book.correction.corrected(nearest)
        self._bias = self._filter.learned(self._bias, nearest, assay)

    def _read(self, slot: Slot, content: Array, generator: np.random.Generator) -> Reading:
        metals, acid, time = content[:-1], float(content[-1]), slot.sample_time
        drawn, chain = self._statistical, self._chain
        if self.checks is not None and slot.stream in self.checks.contents:
            count_time = self.checks.plan.count_time
            drawn = replace(drawn, count_time=count_time)
            chain = None if chain is None else replace(chain, count_time=count_time)
        if chain is None:
            if isinstance(drawn, StandInXRF):
                return drawn.measure(metals, acid, time, generator, place=slot.stream)
            return drawn.measure(metals, time, generator, place=slot.stream)
        self._state, self._last = chain.measure(
            self._state, metals, acid, time, generator, place=slot.stream
        )
        return self._last.reading

    def alarms(self) -> dict[str, str]:
        """Return why readings are not to be trusted, by alarm tag; empty when they are."""
        failed = {} if self.checks is None else self.checks.book.failed
        return (
            {CHECK_ALARM: f"Check of the analyzer: {'; '.join(failed.values())}"} if failed else {}
        )

    def shown_checks(self) -> dict[str, Any] | None:
        """Return checks, zero and span as a page shows them; None for an analyzer without."""
        return None if self.checks is None else check_rows(self.checks.book)

    def shown(self) -> dict[str, Any] | None:
        """Return the last spectrum with its fit as a page draws it; None where there is none."""
        if self._last is None:
            return None
        rows = [] if self._bias is None else bias_rows(self._filter, self._bias)
        assays = 0 if self._bias is None else self._bias.assays
        return {**spectrum_view(self._last), "bias": list(rows), "assays": assays}


def _statistical(
    plant: Plant, gain: np.random.Generator | None, name: str
) -> StandInXRF | OnlineXRF:
    """Return the stand-in fitted for the plant's elements; counting statistics where none was."""
    elements, count_time = plant.circuit.elements, plant.analyzer.count_time
    for each in shipped_standins():
        kind = load_standin(each)
        if kind.elements == elements:
            bias = np.zeros((len(elements),) * 2) if gain is None else kind.drawn_bias(gain)
            return StandInXRF(standin=kind, bias=bias, count_time=count_time, name=name)
    plain = OnlineXRF(elements=elements, count_time=count_time, name=name)
    return plain if gain is None else plain.with_drawn_gain(gain)


def flow_cell(plan: AnalyzerPlan) -> FlowCell | None:
    """Return the sample line and cell of a plan; None for one that holds nothing back."""
    if not plan.sample_flow > 0.0:
        return None
    return FlowCell(
        flow=plan.sample_flow, line_volume=plan.line_volume, cell_volume=plan.cell_volume
    )


def _drawn(cell: FlowCell, seed: int) -> FlowCell:
    """Return a cell whose time constant is off by what the correction takes for its doubt."""
    turn = float(np.clip(np.random.default_rng([seed, 13]).standard_normal(), -2.0, 2.0))
    return FlowCell(
        flow=cell.flow,
        line_volume=cell.line_volume,
        cell_volume=cell.cell_volume * (1.0 + cell.relative_sd * turn),
        relative_sd=cell.relative_sd,
    )


def _finite(reading: Reading) -> bool:
    return bool(np.isfinite(reading.values).all())


def kept_calibration(spec: ChainSpec) -> Calibration | None:
    """Return the calibration of an analyzer, from the cache where it was made before.

    It is kept under its spec, the source of all instruments and the version of the atomic data.
    """
    if spec.matched:
        return None
    file = cache_directory() / "calibrations" / f"{_key(spec)}.bin"
    found = _found(file)
    return found if isinstance(found, Calibration) else _kept(file, commissioned(spec))


def kept_machine(chain: XrfChain) -> Machine:
    """Return simulator and quantifier of a chain, from the cache where they were made before.

    They are kept as the calibration is, and under it.
    """
    calibration = chain.calibration
    parts = () if calibration is None else (calibration.logs, calibration.covariance)
    key = _key(chain.spec, b"".join(part.tobytes() for part in parts))
    file = cache_directory() / "calibrations" / f"{key}.machine"
    found = _found(file)
    return found if isinstance(found, Machine) else _kept(file, chain.machine)


def _found(file: Path) -> object:
    """Return what a file of the cache holds; None where it is not there or of no use."""
    with contextlib.suppress(DataError, OSError, AttributeError, ImportError):
        return load_checkpoint(file)
    return None


def _kept(file: Path, made: _Made) -> _Made:
    # A full or read-only disk costs the next start some seconds, and nothing else.
    with contextlib.suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        save_checkpoint(file, made)
    return made


def _key(spec: ChainSpec, more: bytes = b"") -> str:
    digest = hashlib.sha256(f"{spec} {version('xraylib')} {np.__version__}".encode())
    digest.update(more)
    folder = Path(str(files("raffinate.instruments")))
    for each in sorted(folder.glob("*.py")):
        digest.update(each.name.encode() + each.read_bytes())
    digest.update(
        (Path(str(files("raffinate.data"))) / f"instrument_{spec.instrument}.yaml").read_bytes()
    )
    return digest.hexdigest()[:32]
