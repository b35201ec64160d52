"""From spectra of standards to the factors by which an analyzer departs from the tables.

All standards are explained at once: factors they share, and of each its concentrations (held by
the certificate), acid, flux, zero, gain and width. The likelihood is Poisson's; the posterior
covariance is that of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.instruments.calibrate_factors import (
    COMMON,
    Correction,
    FactorMap,
    factor_map,
    line_names,
)
from raffinate.instruments.calibrate_fingerprint import fingerprint
from raffinate.instruments.calibrate_leave_out import leave_out, scatter
from raffinate.instruments.calibrate_prior import prior_covariance
from raffinate.instruments.calibrate_result import Calibration
from raffinate.instruments.calibrate_standard import (
    Normal,
    Standard,
    Work,
    check_standards,
    normal_equations,
    prepared,
)
from raffinate.instruments.quantify import check_instrument
from raffinate.instruments.quantify_fit import deviance, inverse
from raffinate.instruments.quantify_limits import parameters
from raffinate.instruments.quantify_model import TOLERANCE, FitModel, Slopes
from raffinate.instruments.quantify_sample import Sample, sample_of
from raffinate.instruments.xrf_instrument import XrfInstrument
from raffinate.instruments.xrf_spectrum import ForwardModel
from raffinate.instruments.xrf_spectrum_build import build_forward_model

Array = NDArray[np.float64]

MOST_STEPS = 30
ARRIVED = 0.01
"""Squared length of a step, in standard deviations of all factors, with which the fit ends."""
MOST_REBUILDS = 6
REBUILT = 20.0
"""Tube voltages closer than this share one set of exciting energies, [V]."""
LONGEST = 0.25
"""Of a step in the logarithm of any factor: beyond, the straight line is not to be trusted."""
HALVINGS = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """Where the joint fit stands.

    Attributes:
        nominal: The model without factors.
        acting: Factors on it.
        logs: (factor,).
        values: Parameters of each standard, (standard, parameter).
    """

    nominal: ForwardModel
    acting: FactorMap
    logs: Array
    values: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Joint:
    """Where the joint fit ended.

    Attributes:
        model: Of the voltage found, without factors.
        work: The standards.
        state: Factors and parameters.
        normals: Normal equations of each standard.
        information: Of the factors from prior and standards, (factor, factor).
    """

    model: FitModel
    work: list[Work]
    state: State
    normals: list[Normal]
    information: Array


def calibrate(
    instrument: XrfInstrument,
    metals: Sequence[str],
    standards: Sequence[Standard],
    matrix: str = "chloride",
) -> Calibration:
    """Return the calibration of an analyzer from standards.

    Args:
        instrument: As described by its file, uncalibrated.
        metals: Symbols; they fix the metal axis of the standards.
        standards: Up to `MOST_STANDARDS`; thirteen are plenty for five metals.
        matrix: As of `quantify_sample.sample_of`, the same for all.

    Raises:
        DataError: A spectrum is another instrument's.
        SpecificationError: There are no standards, too many, or one has another metal axis.
        ConvergenceError: The joint fit does not end.
    """
    check_standards(metals, standards)
    for one in standards:
        check_instrument(one.spectrum, instrument)
    joint = _joint(instrument, sample_of(metals, matrix), standards)
    model, state, normals = joint.model, joint.state, joint.normals
    final = _corrected(state, state.logs)
    at_end = replace(model, forward=final.forward(), correction=final)
    fits = tuple(
        leave_out(at_end, final, one, values, normal, joint.information)
        for one, values, normal in zip(joint.work, state.values, normals, strict=True)
    )
    logs = state.logs.copy()
    used = model.forward.instrument.tube.voltage
    logs[state.acting.own] += float(np.log(used / instrument.tube.voltage))
    widening, posterior = scatter(fits), inverse(joint.information)
    return Calibration(
        instrument=instrument.name,
        fingerprint=fingerprint(instrument),
        matrix=matrix,
        metals=tuple(metals),
        names=state.acting.names,
        logs=logs,
        covariance=0.5 * widening**2 * (posterior + posterior.T),
        widening=widening,
        standards=fits,
    )


def _joint(instrument: XrfInstrument, sample: Sample, standards: Sequence[Standard]) -> _Joint:
    """Fit all standards, the tables built anew until they are those of the voltage found."""
    state: State | None = None
    described = voltage = instrument.tube.voltage
    for _ in range(MOST_REBUILDS):
        nominal = build_forward_model(
            instrument, sample.components, voltage=voltage, tolerance=TOLERANCE
        )
        model = FitModel(forward=nominal, sample=sample)
        work = [prepared(model, one) for one in standards]
        names = line_names(nominal) if state is None else state.acting.names[: -len(COMMON)]
        acting = factor_map(nominal, names)
        state = _begun(model, work, acting) if state is None else _moved(state, nominal, acting)
        prior = inverse(prior_covariance(acting.names))
        centre = np.zeros(len(acting.names))
        centre[acting.own] = -np.log(voltage / described)
        state, normals = _fitted(model, work, state, prior, centre)
        found = voltage * float(np.exp(state.logs[acting.own]))
        if abs(found - voltage) < REBUILT:
            information = prior + np.sum([one.information for one in normals], axis=0)
            return _Joint(
                model=model, work=work, state=state, normals=normals, information=information
            )
        voltage = found
    raise ConvergenceError(
        f"the voltage of the tube does not settle; last {voltage:.0f} V.",
        where="XRF calibration",
        mend="Check the voltage in the instrument's file.",
    )


def _begun(model: FitModel, work: list[Work], acting: FactorMap) -> State:
    """Certified compositions, and the flux that gives as many counts as there are."""
    values = []
    for one in work:
        start = parameters(model, one.centre[:-1], float(one.centre[-1]))
        expected = model.undrifted(start)[model.channels] * one.live_time
        start[model.composition_size] = float(np.sum(one.counts) / np.sum(expected))
        values.append(start)
    return State(
        nominal=model.forward, acting=acting, logs=np.zeros(len(acting.names)),
        values=np.array(values),
    )  # fmt: skip


def _moved(state: State, nominal: ForwardModel, acting: FactorMap) -> State:
    logs = state.logs.copy()
    logs[acting.own] = 0.0
    return replace(state, nominal=nominal, acting=acting, logs=logs)


def _corrected(state: State, logs: Array) -> Correction:
    return Correction(
        instrument=state.nominal.instrument, nominal=state.nominal, acting=state.acting,
        logs=logs, covariance=np.zeros((len(logs), len(logs))),
    )  # fmt: skip


def _model_at(model: FitModel, state: State, logs: Array) -> FitModel:
    correction = _corrected(state, logs)
    return replace(model, forward=correction.forward(), correction=correction)


def _fitted(
    model: FitModel, work: list[Work], state: State, prior: Array, centre: Array
) -> tuple[State, list[Normal]]:
    """Return the most likely state, and the normal equations there."""
    here = _model_at(model, state, state.logs)
    slopes = [here.slopes(values) for values in state.values]
    reached = _objective(here, work, state.values, slopes, prior, state.logs - centre)
    history: list[float] = []
    for _ in range(MOST_STEPS):
        normals = [
            normal_equations(here, one, values, slope)
            for one, values, slope in zip(work, state.values, slopes, strict=True)
        ]
        information = prior + np.sum([one.information for one in normals], axis=0)
        pull = np.sum([one.pull for one in normals], axis=0) - prior @ (state.logs - centre)
        step = inverse(information) @ pull
        own = [np.linalg.solve(n.own, n.own_pull - n.cross @ step) for n in normals]
        length = float(pull @ step)
        history.append(float(np.sqrt(max(length, 0.0))))
        if length < ARRIVED * len(step) and _settled(normals, own):
            return state, normals
        share = min(1.0, LONGEST / max(float(np.max(np.abs(step))), 1e-12))
        for _ in range(HALVINGS):
            logs = state.logs + share * step
            values = state.values + share * np.array(own)
            tried = _attempt(model, work, state, logs, values, slopes, prior, centre)
            if tried is not None and tried <= reached + 1e-3:
                break
            share *= 0.5
        else:
            break
        state = replace(state, logs=logs, values=values)
        here = _model_at(model, state, logs)
        slopes = [here.slopes(one) for one in values]
        reached = _objective(here, work, values, slopes, prior, logs - centre)
    raise ConvergenceError(
        "the joint fit of the standards does not end.",
        history=history,
        where="XRF calibration",
        mend="Check the certificates, the instrument's file and the matrix.",
    )


def _settled(normals: list[Normal], own: list[Array]) -> bool:
    lengths = [float(step @ n.own @ step) for n, step in zip(normals, own, strict=True)]
    return max(lengths) < 0.25


def _attempt(
    model: FitModel,
    work: list[Work],
    state: State,
    logs: Array,
    values: Array,
    slopes: list[Slopes],
    prior: Array,
    centre: Array,
) -> float | None:
    """Return what is minimised; None where there is no such sample or drift."""
    try:
        return _objective(_model_at(model, state, logs), work, values, slopes, prior, logs - centre)
    except SpecificationError:
        return None


def _objective(
    here: FitModel,
    work: list[Work],
    values: Array,
    slopes: list[Slopes],
    prior: Array,
    away: Array,
) -> float:
    total = float(away @ prior @ away)
    for one, own, slope in zip(work, values, slopes, strict=True):
        expected = here.expected(own, one.live_time, slope)
        total += deviance(one.counts, expected.counts) + one.penalty(own)
    return total
