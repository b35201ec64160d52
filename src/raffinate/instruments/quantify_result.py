"""What a spectrum says of a stream, with its uncertainty and everything that speaks against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import RARE_EARTHS
from raffinate.instruments.quantify_fit import Fit
from raffinate.instruments.quantify_flags import WITHHELD, Misfit
from raffinate.instruments.quantify_model import FitModel
from raffinate.instruments.spectrum import KILO, Flag, Spectrum
from raffinate.instruments.xrf_atomic import atomic_mass

Array = NDArray[np.float64]

BANDS = 12
"""Parts of the energy range that the residual is told for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantification:
    """Concentrations found in a spectrum.

    Attributes:
        spectrum: What was measured.
        model: By which it was explained.
        fit: Where the fit ended; its covariance is that of counting statistics.
        misfit: How well it explains the counts.
        detection: Currie's limit of each metal, widened like `covariance`, (metal,), [mol/m³].
        flags: All that is doubtful.
        live_time: For which the model was fitted, [s].
        factor_covariance: Of concentrations, from what a calibration does not know, (metal, metal),
            [mol²/m⁶]; None without a calibration.
    """

    spectrum: Spectrum
    model: FitModel
    fit: Fit
    misfit: Misfit
    detection: Array
    flags: tuple[Flag, ...]
    live_time: float
    factor_covariance: Array | None = None

    @property
    def metals(self) -> tuple[str, ...]:
        """Symbols; they fix the metal axis."""
        return self.model.sample.metals

    @property
    def trusted(self) -> bool:
        """Whether concentrations may be used at all; see `quantify_flags.WITHHELD`."""
        return not any(flag.name in WITHHELD for flag in self.flags)

    @property
    def concentration(self) -> Array:
        """Estimates, (metal,), [mol/m³]; of an absent metal as often below zero as above."""
        return self.fit.values[: len(self.metals)]

    @property
    def covariance(self) -> Array:
        """Of `concentration`, (metal, metal), [mol²/m⁶].

        Of counting, widened where the fit is poor; and of the calibration, where there is one.
        """
        count = len(self.metals)
        counting = self.widening**2 * self.fit.covariance[:count, :count]
        return counting if self.factor_covariance is None else counting + self.factor_covariance

    @property
    def sigma(self) -> Array:
        """Standard deviations of `concentration`, (metal,), [mol/m³]."""
        return np.asarray(np.sqrt(np.diag(self.covariance)), dtype=np.float64)

    @property
    def widening(self) -> float:
        """Factor on counting uncertainties, [-]."""
        return self.misfit.widening

    @property
    def below_limit(self) -> NDArray[np.bool_]:
        """Whether each metal is too little to be told from none, (metal,)."""
        return np.asarray(self.concentration < self.detection)

    @property
    def oxide_masses(self) -> Array:
        """Oxide mass of each mole of rare earth, 0 for others, (metal,), [kg/mol]."""
        return np.array(
            [
                RARE_EARTHS[symbol].oxide_molar_mass if symbol in RARE_EARTHS else 0.0
                for symbol in self.metals
            ]
        )

    @property
    def total_reo(self) -> tuple[float, float]:
        """Rare earths as oxides and its standard deviation, [kg/m³], which is [g/L]."""
        oxide = self.oxide_masses
        return float(oxide @ self.concentration), float(np.sqrt(oxide @ self.covariance @ oxide))

    @property
    def reo_fraction(self) -> tuple[Array, Array]:
        """Share of the oxides and its standard deviation, (metal,), [-]; NaN without any."""
        oxide, (total, spread) = self.oxide_masses, self.total_reo
        if not total > 3.0 * spread:
            nothing = np.full(len(oxide), np.nan)
            return nothing, nothing
        share = oxide * self.concentration / total
        gradient = (np.diag(oxide) - np.outer(share, oxide)) / total
        variance = np.einsum("ij,jk,ik->i", gradient, self.covariance, gradient)
        return share, np.sqrt(variance)

    @property
    def residual(self) -> Array:
        """Counts less model over the model's root, (fitted channel,), [-]."""
        model = self.fit.expected.counts
        found = self.spectrum.counts[self.model.channels] - model
        return np.asarray(found / np.sqrt(np.maximum(model, 1.0)), dtype=np.float64)

    @property
    def energy(self) -> Array:
        """Of the fitted channels, (fitted channel,), [eV]."""
        energies: Array = self.model.forward.instrument.energies[self.model.channels]
        return energies

    @property
    def nuisances(self) -> dict[str, tuple[float, float]]:
        """Value and standard deviation of everything else that was fitted, by name."""
        count, unknown = len(self.metals), self.model.sample.unknown
        scale = np.ones(len(self.fit.values) - count)
        scale[0] = unknown.scale
        values = self.fit.values[count:] / scale
        spreads = self.widening * np.sqrt(np.diag(self.fit.covariance))[count:] / scale
        names = self.model.names[count:]
        return dict(zip(names, zip(values.tolist(), spreads.tolist(), strict=True), strict=True))

    def pattern(self) -> list[dict[str, float]]:
        """Return where counts and model part: χ² and mean residual of bands of equal counts."""
        model = self.fit.expected.counts
        share = np.cumsum(model) / np.sum(model)
        borders = np.searchsorted(share, np.linspace(0.0, 1.0, BANDS + 1)[1:-1])
        bands = np.split(np.arange(len(model)), np.unique(borders))
        return [
            {
                "from_keV": float(self.energy[band[0]]) / KILO,
                "to_keV": float(self.energy[band[-1]]) / KILO,
                "chi2_per_channel": float(np.mean(self.residual[band] ** 2)),
                "mean_sigma": float(np.mean(self.residual[band])),
            }
            for band in bands
            if len(band)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values, units in the keys; null where nothing is claimed."""
        mass = np.array([atomic_mass(symbol) for symbol in self.metals])
        share, share_sigma = self.reo_fraction
        total, total_sigma = self.total_reo
        trusted = self.trusted
        elements = {}
        for place, symbol in enumerate(self.metals):
            below = bool(self.below_limit[place])
            given = trusted and not below
            rare = symbol in RARE_EARTHS
            elements[symbol] = {
                "g_per_L": float(self.concentration[place] * mass[place]) if given else None,
                "sigma": float(self.sigma[place] * mass[place]) if trusted else None,
                "reo_fraction": float(share[place]) if given and rare else None,
                "reo_fraction_sigma": float(share_sigma[place]) if given and rare else None,
                "below_limit": below if trusted else None,
                "limit_g_per_L": float(self.detection[place] * mass[place]) if trusted else None,
            }
        return {
            "file": self.spectrum.where,
            "instrument": self.model.forward.instrument.name,
            "trusted": trusted,
            "calibrated": self.factor_covariance is not None,
            "elements": elements,
            "total_reo_g_per_L": total if trusted else None,
            "total_reo_sigma": total_sigma if trusted else None,
            "covariance_g2_per_L2": (
                (self.covariance * np.outer(mass, mass)).tolist() if trusted else None
            ),
            "nuisances": {
                name: {"value": value, "sigma": sigma}
                for name, (value, sigma) in self.nuisances.items()
            },
            "chi2_per_dof": self.misfit.chi2_per_dof,
            "degrees_of_freedom": self.misfit.degrees,
            "relative_misfit": self.misfit.relative,
            "residual": self.pattern(),
            "flags": [flag.name for flag in self.flags],
            "warnings": [flag.text for flag in self.flags],
        }
