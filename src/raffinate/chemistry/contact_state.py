"""What a contact of a liquor with an organic came to: `Contact`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from raffinate.chemistry.nonideality import ActivityKind
from raffinate.sources import Source

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contact:
    """Both phases of a contact at equilibrium.

    `aqueous` and `organic` are totals as an analyst finds them, whatever species they are in; they
    can be given to `equilibrate` again as they are.

    Attributes:
        elements: The metals that were given, in the order of the system.
        aqueous: Metals by symbol, then proton, further cations and anions, [mol/m³]. `proton` is
            all acid, that bound in HSO₄⁻ included; a basic liquor has `hydroxide` instead.
        organic: Metals by symbol, further cations, in a solvating system anion and proton, and
            extractant as total HA, [mol/m³].
        pH: -log₁₀ of the activity of H⁺.
        free_proton: H⁺ bound to nothing, [mol/m³].
        free_extractant: Units bound to nothing, dimer (HA)₂ where it dimerises, [mol/m³].
        ionic_strength: Of the liquor, [mol/m³].
        loading: Share of the extractant bound to metals, [-].
        oa_ratio: Volume of organic over volume of aqueous, [-].
        balance_error: Worst relative imbalance of mass or charge, [-].
        species: Every species by name, [mol/m³ of its phase].
        saturation: log₁₀ of ion product over solubility product of each solid, [-].
        activity: Kind of the activity model used.
        warnings: Sentences on where the result should be doubted.
        sources: Who says so.
    """

    elements: tuple[str, ...]
    aqueous: Mapping[str, float]
    organic: Mapping[str, float]
    pH: float
    free_proton: float
    free_extractant: float
    ionic_strength: float
    loading: float
    oa_ratio: float
    balance_error: float
    species: Mapping[str, float]
    saturation: Mapping[str, float] = field(default_factory=dict)
    activity: ActivityKind = "ideal"
    warnings: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()

    @property
    def distribution_ratio(self) -> dict[str, float]:
        """D = y/x by symbol, [-]; NaN for an element of which there is none."""
        return {
            symbol: self.organic[symbol] / self.aqueous[symbol]
            if self.aqueous[symbol] > 0.0
            else np.nan
            for symbol in self.elements
        }

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per element: both concentrations in [mol/m³], D, share extracted."""
        import pandas as pd

        aqueous = np.array([self.aqueous[symbol] for symbol in self.elements])
        organic = np.array([self.organic[symbol] for symbol in self.elements])
        held = aqueous + self.oa_ratio * organic
        return pd.DataFrame(
            {
                "element": self.elements,
                "aqueous_mol_per_m3": aqueous,
                "organic_mol_per_m3": organic,
                "distribution_ratio": list(self.distribution_ratio.values()),
                "extracted_fraction": self.oa_ratio * organic / np.where(held > 0.0, held, np.nan),
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what `raffinate equilibrate --json` prints, concentrations in [mol/m³]."""
        return {
            "aqueous": dict(self.aqueous),
            "organic": dict(self.organic),
            "pH": self.pH,
            "free_proton": self.free_proton,
            "free_extractant": self.free_extractant,
            "ionic_strength": self.ionic_strength,
            "loading": self.loading,
            "oa_ratio": self.oa_ratio,
            "balance_error": self.balance_error,
            "activity": self.activity,
            "species": dict(self.species),
            "saturation": dict(self.saturation),
            "warnings": list(self.warnings),
        }
