"""A calibration: factors, what is not known of them, and how well the standards agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import DataError
from raffinate.instruments.calibrate_factors import (
    COMMON,
    Correction,
    factor_map,
    line_names,
)
from raffinate.instruments.calibrate_fingerprint import fingerprint
from raffinate.instruments.calibrate_prior import prior_covariance
from raffinate.instruments.quantify_model import TOLERANCE
from raffinate.instruments.spectrum import Flag
from raffinate.instruments.xrf_atomic import atomic_mass
from raffinate.instruments.xrf_instrument import XrfInstrument
from raffinate.instruments.xrf_spectrum_build import build_forward_model

Array = NDArray[np.float64]

ALIKE = 0.95
"""Correlation beyond which two factors cannot be told apart, [-]."""
UNMOVED = 0.7
"""Of the prior's standard deviation: a factor known no better was not measured, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StandardFit:
    """One standard against the calibration made from the others.

    Attributes:
        name: Of the standard.
        certified: (metal,), [mol/m³].
        certified_sigma: Its standard deviation, (metal,), [mol/m³].
        found: With a calibration from all other standards, (metal,), [mol/m³].
        sigma: Stated standard deviation of `found`, (metal,), [mol/m³].
        chi2_per_dof: Of this standard in the joint fit, [-].
        nuisances: Flux [-], zero [eV], gain [-] and added variance [eV²], (4,).
    """

    name: str
    certified: Array
    certified_sigma: Array
    found: Array
    sigma: Array
    chi2_per_dof: float
    nuisances: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """Factors of one analyzer from its standards.

    Attributes:
        instrument: Name of the analyzer.
        fingerprint: What it is; see `calibrate_fingerprint`.
        matrix: Of the standards.
        metals: They fix the metal axis.
        names: Of the factors, `COMMON` last; they fix the factor axis.
        logs: Natural logarithms of the factors, (factor,).
        covariance: Posterior of them, widened by `widening` squared, (factor, factor).
        widening: By which the standards scatter more than stated uncertainties explain, [-].
        standards: How each fits.
    """

    instrument: str
    fingerprint: str
    matrix: str
    metals: tuple[str, ...]
    names: tuple[str, ...]
    logs: Array
    covariance: Array
    widening: float
    standards: tuple[StandardFit, ...]

    @property
    def sigma(self) -> Array:
        """Standard deviations of the logarithms, (factor,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)), dtype=np.float64)

    @property
    def prior_sigma(self) -> Array:
        """Before any standard, (factor,)."""
        return np.asarray(np.sqrt(np.diag(prior_covariance(self.names))), dtype=np.float64)

    @property
    def voltage_factor(self) -> float:
        """Calibrated over described tube voltage, [-]."""
        return float(np.exp(self.logs[self.names.index(COMMON[0])]))

    @property
    def drift(self) -> Array:
        """Mean flux, zero, gain and variance of the standards, (4,)."""
        return np.asarray(np.mean([one.nuisances for one in self.standards], axis=0))

    @property
    def highest(self) -> Array:
        """Largest certified concentration of each metal, (metal,), [mol/m³]."""
        return np.asarray(np.max([one.certified for one in self.standards], axis=0))

    def unresolved(self) -> list[str]:
        """Return in words what the standards do not tell: unmoved factors, inseparable pairs."""
        sigma, prior = self.sigma, self.prior_sigma
        texts = [
            f"{name}: known to {own:.1%} only, before the standards {before:.1%}"
            for name, own, before in zip(self.names, sigma, prior, strict=True)
            if own > UNMOVED * before
        ]
        alike = self.covariance / np.outer(sigma, sigma)
        for first, name in enumerate(self.names):
            for second in range(first + 1, len(self.names)):
                if abs(alike[first, second]) > ALIKE:
                    sign = "product" if alike[first, second] < 0.0 else "ratio"
                    texts.append(
                        f"{name} and {self.names[second]}: the standards fix only their {sign}"
                    )
        return texts

    def correction(self, instrument: XrfInstrument, components: tuple[str, ...]) -> Correction:
        """Return the factors in force for samples of these components.

        Factors of elements that no standard held are 1 with their prior uncertainty.

        Raises:
            DataError: The calibration is another instrument's.
        """
        self.check(instrument)
        voltage = instrument.tube.voltage * self.voltage_factor
        nominal = build_forward_model(instrument, components, voltage=voltage, tolerance=TOLERANCE)
        size = len(self.names) - len(COMMON)
        known = {name.split()[0] for name in self.names[:size]}
        more = [name for name in line_names(nominal) if name.split()[0] not in known]
        names = (*self.names[:size], *more)
        acting = factor_map(nominal, names)
        covariance = prior_covariance(acting.names)
        places = [*range(size), *range(len(names), len(acting.names))]
        covariance[np.ix_(places, places)] = self.covariance
        logs = np.zeros(len(acting.names))
        logs[places] = self.logs
        logs[acting.own] = 0.0  # the nominal model has the calibrated voltage
        return Correction(
            instrument=instrument, nominal=nominal, acting=acting, logs=logs, covariance=covariance
        )

    def check(self, instrument: XrfInstrument) -> None:
        """Refuse another analyzer.

        Raises:
            DataError: Tube, geometry, detector or channels are not those that were calibrated.
        """
        found = fingerprint(instrument)
        if found != self.fingerprint:
            raise DataError(
                f"the calibration is of instrument {self.instrument}, fingerprint "
                f"{self.fingerprint}.",
                where="XRF calibration",
                allowed=f"fingerprint {found}, as of instrument {instrument.name}",
                mend="Calibrate this instrument, or name the one that was calibrated.",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as plain values, units in the keys."""
        mass = np.array([atomic_mass(symbol) for symbol in self.metals])
        return {
            "instrument": self.instrument,
            "fingerprint": self.fingerprint,
            "matrix": self.matrix,
            "elements": list(self.metals),
            "factors": [
                {"name": name, "factor": float(np.exp(log)), "relative_sigma": float(own),
                 "prior_relative_sigma": float(before)}
                for name, log, own, before in zip(
                    self.names, self.logs, self.sigma, self.prior_sigma, strict=True
                )
            ],
            "widening": self.widening,
            "standards": [
                {
                    "name": one.name,
                    "chi2_per_dof": one.chi2_per_dof,
                    "flux": float(one.nuisances[0]),
                    "zero_eV": float(one.nuisances[1]),
                    "gain": float(one.nuisances[2]),
                    "width_eV2": float(one.nuisances[3]),
                    "certified_g_per_L": (one.certified * mass).tolist(),
                    "certified_sigma_g_per_L": (one.certified_sigma * mass).tolist(),
                    "left_out_g_per_L": (one.found * mass).tolist(),
                    "left_out_sigma_g_per_L": (one.sigma * mass).tolist(),
                }
                for one in self.standards
            ],
            "unresolved": self.unresolved(),
        }  # fmt: skip


FLUX_DRIFT = 0.05
"""Change of flux since calibration that is flagged, [-]; assumed, as are the next three."""
ZERO_DRIFT = 15.0
"""[eV]"""
GAIN_DRIFT = 0.002
WIDTH_DRIFT = 400.0
"""[eV²]"""
BEYOND = 1.2
"""Of the highest standard: further up, a calibration is extrapolated, [-]."""


def calibration_flags(
    calibration: Calibration, metals: tuple[str, ...], matrix: str, values: Array
) -> tuple[Flag, ...]:
    """Return what is doubtful about using a calibration for a result.

    Args:
        calibration: As loaded.
        metals: Of the result.
        matrix: Of the result.
        values: Fitted parameters: metals [mol/m³], matrix, flux, zero, gain, variance.
    """
    flags = []
    missing = [symbol for symbol in metals if symbol not in calibration.metals]
    if missing:
        text = f"no standard holds {', '.join(missing)}: only prior uncertainty bounds their errors"
        flags.append(Flag(name="not_calibrated", text=text))
    if matrix != calibration.matrix:
        text = f"the standards were {calibration.matrix}, the sample is {matrix}"
        flags.append(Flag(name="other_matrix_than_standards", text=text))
    highest = dict(zip(calibration.metals, calibration.highest.tolist(), strict=True))
    beyond = [
        symbol
        for symbol, value in zip(metals, values.tolist(), strict=False)
        if symbol in highest and value > BEYOND * highest[symbol]
    ]
    if beyond and not missing:
        text = f"{', '.join(beyond)} above the highest standard"
        flags.append(Flag(name="outside_standards", text=text))
    moved = values[len(metals) + 1 :] - calibration.drift
    names = ("flux", "zero", "gain", "width")
    limits = (FLUX_DRIFT, ZERO_DRIFT, GAIN_DRIFT, WIDTH_DRIFT)
    shown = (f"{moved[0]:+.1%}", f"{moved[1]:+.1f} eV", f"{moved[2]:+.2%}", f"{moved[3]:+.0f} eV²")
    texts = [
        f"{name} {text}"
        for name, text, change, limit in zip(names, shown, moved, limits, strict=True)
        if abs(change) > limit
    ]
    if texts:
        text = f"since calibration: {', '.join(texts)}"
        flags.append(Flag(name="drift_since_calibration", text=text))
    return tuple(flags)
