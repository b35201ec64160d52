"""Species of a liquor along its pH or along the amount of one component."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.chemistry.isotherm import said_once
from raffinate.chemistry.speciation import Speciation, speciate
from raffinate.errors import RaffinateError, SpecificationError, nearest_name
from raffinate.sources import Source

if TYPE_CHECKING:
    import pandas as pd

Array: TypeAlias = NDArray[np.float64]

PH = "pH"
"""What stands for the pH where a component may be named."""

_WHERE = "speciate"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpeciationSweep:
    """A liquor along one variable.

    Attributes:
        against: "pH" or the component that was varied.
        value: (point,), [-] for pH, else the unit of the amounts.
        of: Component whose species are told apart.
        share: Part of it that each species holds, by name, (point,), [-]; most first.
        pH: (point,).
        saturation: Index of each solid, by name, (point,), [-]; NaN where it has none.
        molal: Whether amounts are in [mol/kg] of water; else in [mol/m³].
        warnings: Sentences on where the result should be doubted.
        sources: Who gave the numbers.
    """

    against: str
    value: Array
    of: str
    share: Mapping[str, Array]
    pH: Array
    saturation: Mapping[str, Array]
    molal: bool
    warnings: tuple[str, ...]
    sources: tuple[Source, ...]

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per point: the variable, pH, shares of `of`, saturation indices."""
        import pandas as pd

        unit = "mol_per_kg" if self.molal else "mol_per_m3"
        columns: dict[str, Array] = {
            PH if self.against == PH else f"{self.against}_{unit}": self.value
        }
        columns.setdefault(PH, self.pH)
        columns |= {f"share_{name}": share for name, share in self.share.items()}
        columns |= {f"saturation_{name}": index for name, index in self.saturation.items()}
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Return what `raffinate speciate --json` prints."""
        table = self.to_dataframe()
        return {
            "against": self.against,
            "of": self.of,
            "molal": self.molal,
            "points": {name: table[name].tolist() for name in table.columns},
            "warnings": list(self.warnings),
        }


def sweep_liquor(
    aqueous: Mapping[str, float],
    *,
    against: str = PH,
    values: Sequence[float] | ArrayLike,
    of: str | None = None,
    advance: Callable[[], None] | None = None,
    **settings: Any,
) -> SpeciationSweep:
    """Find the species of a liquor at each pH, or each amount of a component.

    Args:
        aqueous: Totals, see `speciate`; proton is not read where pH is varied.
        against: "pH" or a component.
        values: pH, or totals of that component in the unit of `aqueous`.
        of: Component whose species are told apart; left out, the first.
        advance: Called after each point.
        **settings: Further arguments of `speciate`.

    Raises:
        SpecificationError: No point can be reached, or `of` is not in the liquor.
    """
    if of is not None and of not in aqueous and of != against:
        raise SpecificationError(
            f"{of!r} is not in the liquor.",
            where=_WHERE,
            allowed=", ".join(aqueous),
            mend=nearest_name(of, tuple(aqueous)),
        )
    kept, found, refused = [], [], []
    for value in np.sort(np.asarray(values, np.float64)):
        try:
            found.append(_at(aqueous, against, float(value), settings))
        except RaffinateError as error:
            refused.append(error)
        else:
            kept.append(float(value))
        if advance is not None:
            advance()
    if not found:
        raise refused[0]
    notes: tuple[str, ...] = ()
    if refused:
        notes = (f"{len(refused)} points have no solution; the first: {refused[0]}",)
    warnings = said_once([each.warnings for each in found])[0]
    return _gathered(found, against, np.array(kept), of or _first(aqueous), notes, warnings)


def _first(aqueous: Mapping[str, float]) -> str:
    return next(name for name in aqueous if name != "proton")


def _at(
    aqueous: Mapping[str, float], against: str, value: float, settings: Mapping[str, Any]
) -> Speciation:
    if against == PH:
        rest = {name: amount for name, amount in aqueous.items() if name != "proton"}
        return speciate(rest, **{**settings, "pH": value})
    return speciate({**aqueous, against: value}, **settings)


def _gathered(
    found: Sequence[Speciation],
    against: str,
    value: Array,
    of: str,
    notes: tuple[str, ...],
    warnings: Sequence[str],
) -> SpeciationSweep:
    def along(told: Sequence[Mapping[str, float]], without: float) -> dict[str, Array]:
        names = dict.fromkeys(name for each in told for name in each)
        return {name: np.array([each.get(name, without) for each in told]) for name in names}

    share = along([each.share.get(of, {}) for each in found], 0.0)
    order = sorted(share, key=lambda name: -float(share[name].max()))
    return SpeciationSweep(
        against=against,
        value=value,
        of=of,
        share={name: share[name] for name in order},
        pH=np.array([each.pH for each in found]),
        saturation=along([each.saturation for each in found], np.nan),
        molal=found[0].molal,
        warnings=(*notes, *warnings),
        sources=tuple(dict.fromkeys(source for each in found for source in each.sources)),
    )
