"""Atomic data for X-ray fluorescence: the one place that imports xraylib.

Energies are in [eV], cross-sections per mass of the element in [m²/kg], angles in [rad].
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xraylib
import xraylib_np
from numpy.typing import ArrayLike, NDArray

from raffinate.chemistry.elements import metal
from raffinate.errors import SpecificationError
from raffinate.sources import Source

Array = NDArray[np.float64]

ATOMIC_SOURCE = Source(
    title="xraylib 4",
    reference=(
        "T. Schoonjans et al., Spectrochim. Acta B 66 (2011) 776, doi 10.1016/j.sab.2011.09.011: "
        "photoionisation L. Kissel; scattering EPDL97; yields and Coster-Kronig probabilities "
        "M. O. Krause, J. L. Campbell; radiative rates and cascade EADL97; Compton profiles "
        "F. Biggs et al."
    ),
    licence="BSD-3-Clause",
)
"""Where every number of this module comes from."""

SHELLS = ("K", "L1", "L2", "L3", "M1", "M2", "M3", "M4", "M5")
"""Shells whose vacancies are followed; they fix every shell axis."""

SYMBOLS: tuple[str, ...] = tuple(xraylib.AtomicNumberToSymbol(number) for number in range(1, 93))
"""H to U, in order."""

GROUPS = ("K", "L1", "L2", "L3", "M")
"""Line groups a fitter scales one by one; the five M shells are one."""

_KEV = 1.0e-3
_CM2_PER_G = 0.1
"""[m²/kg]"""
_ENERGY_FOR_TRANSFER = 200.0
"""[keV]; the transfers do not depend on it as long as every shell can be ionised."""
_MOMENTA: Array = np.concatenate([[0.0], np.geomspace(1.0e-2, 100.0, 250)])
"""[atomic units]"""
_LINE_NAME = re.compile(r"(K|L[123]|M[1-5])([LMNOPQ]\d*)_LINE")
_LINE_CODES: tuple[tuple[str, str, int], ...] = tuple(
    (match[1], match[1] + match[2], getattr(xraylib, name))
    for name in sorted(dir(xraylib))
    if (match := _LINE_NAME.fullmatch(name))
)


def group_of(shell: str) -> str:
    """Return the line group of a shell: its own name, or "M"."""
    return "M" if shell.startswith("M") else shell


@lru_cache(maxsize=256)
def atomic_number(symbol: str) -> int:
    """Return Z of a chemical symbol.

    Raises:
        SpecificationError: No element of 1 to 92 has this symbol.
    """
    number = 0
    if symbol:
        try:
            number = int(xraylib.SymbolToAtomicNumber(symbol))
        except ValueError:
            number = 0
    if not 1 <= number <= 92:
        raise SpecificationError(
            f"{symbol!r} is no chemical element.", where="XRF", allowed="H to U, as 'Nd'"
        )
    return number


@lru_cache(maxsize=256)
def atomic_mass(symbol: str) -> float:
    """Return the molar mass of an element, [kg/mol]: first that of `chemistry.elements`."""
    try:
        return metal(symbol).molar_mass
    except SpecificationError:
        pass
    return float(xraylib.AtomicWeight(atomic_number(symbol))) * 1.0e-3


@lru_cache(maxsize=256)
def element_density(symbol: str) -> float:
    """Return the density of the pure element, [kg/m³]."""
    return float(xraylib.ElementDensity(atomic_number(symbol))) * 1.0e3


def _numbers(symbols: Sequence[str]) -> NDArray[np.int_]:
    return np.array([atomic_number(symbol) for symbol in symbols], dtype=np.int_)


def _in_kev(energies: ArrayLike) -> Array:
    return np.atleast_1d(np.asarray(energies, dtype=np.float64)) * _KEV


def photoelectric(symbols: Sequence[str], energies: ArrayLike) -> Array:
    """Return the photoelectric mass absorption, (element, energy), [m²/kg]."""
    table: Array = xraylib_np.CS_Photo(_numbers(symbols), _in_kev(energies))
    return table * _CM2_PER_G


def scattering(symbols: Sequence[str], energies: ArrayLike) -> Array:
    """Return the mass scattering, coherent and Compton, (element, energy), [m²/kg]."""
    numbers, kev = _numbers(symbols), _in_kev(energies)
    table: Array = xraylib_np.CS_Rayl(numbers, kev) + xraylib_np.CS_Compt(numbers, kev)
    return table * _CM2_PER_G


def attenuation(symbols: Sequence[str], energies: ArrayLike) -> Array:
    """Return the total mass attenuation, (element, energy), [m²/kg]."""
    return photoelectric(symbols, energies) + scattering(symbols, energies)


def coherent_differential(symbols: Sequence[str], energies: ArrayLike, angle: float) -> Array:
    """Return the coherent cross-section into `angle`, (element, energy), [m²/(kg sr)]."""
    table: Array = xraylib_np.DCS_Rayl(_numbers(symbols), _in_kev(energies), np.array([angle]))
    return table[:, :, 0] * _CM2_PER_G


def compton_differential(symbols: Sequence[str], energies: ArrayLike, angle: float) -> Array:
    """Return the Compton cross-section into `angle`, (element, energy), [m²/(kg sr)]."""
    table: Array = xraylib_np.DCS_Compt(_numbers(symbols), _in_kev(energies), np.array([angle]))
    return table[:, :, 0] * _CM2_PER_G


@lru_cache(maxsize=128)
def compton_shells(symbol: str) -> tuple[tuple[float, float, int], ...]:
    """Return the occupied shells of an element: (electrons, binding energy [eV], shell code)."""
    number = atomic_number(symbol)
    found = []
    for code in range(31):
        electrons = _number_or(0.0, "ElectronConfig", number, code)
        if electrons > 0.0:
            binding = _number_or(0.0, "EdgeEnergy", number, code) / _KEV
            found.append((electrons, binding, code))
    return tuple(found)


def compton_profile(symbol: str, momentum: Array, loss: Array) -> Array:
    """Return the Compton profile of the electrons that a loss of energy can free.

    Args:
        symbol: The element.
        momentum: Of the electron along the momentum transfer, any shape, [atomic units].
        loss: Energy the photon loses, same shape, [eV].

    Returns:
        J, same shape, [1/atomic unit].
    """
    flat = np.abs(momentum)
    total = np.zeros_like(flat)
    for place, (electrons, binding, _) in enumerate(compton_shells(symbol)):
        share = np.interp(flat, _MOMENTA, _profile_tables(symbol)[place], right=0.0)
        total += electrons * np.where(loss > binding, share, 0.0)
    return total


@lru_cache(maxsize=128)
def _profile_tables(symbol: str) -> Array:
    """J of one electron of each shell at `_MOMENTA`, (shell, momentum); xraylib's is slow."""
    number = np.array([atomic_number(symbol)], dtype=np.int_)
    codes = np.array([code for _, _, code in compton_shells(symbol)], dtype=np.int_)
    table: Array = xraylib_np.ComptonProfile_Partial(number, codes, _MOMENTA)[0]
    return table


@dataclass(frozen=True, slots=True, kw_only=True)
class AtomicAdjustment:
    """Atoms that are not quite as tabulated: what a simulator perturbs and a fit never reads.

    Attributes:
        fluorescence_yield: (symbol, shell, factor) on a shell's fluorescence yield.
        coster_kronig: (symbol, "L1-L3", factor) on the transfer of vacancies between two shells.
        radiative_rate: (symbol, line as "L3M5", factor) on a line's share; the shares of its shell
            are then brought back to a sum of 1.
    """

    fluorescence_yield: tuple[tuple[str, str, float], ...] = ()
    coster_kronig: tuple[tuple[str, str, float], ...] = ()
    radiative_rate: tuple[tuple[str, str, float], ...] = ()

    def of(self, symbol: str) -> AtomicAdjustment:
        """Return the part that concerns one element."""
        return AtomicAdjustment(
            fluorescence_yield=tuple(e for e in self.fluorescence_yield if e[0] == symbol),
            coster_kronig=tuple(e for e in self.coster_kronig if e[0] == symbol),
            radiative_rate=tuple(e for e in self.radiative_rate if e[0] == symbol),
        )


AS_TABULATED = AtomicAdjustment()
"""Atoms exactly as xraylib has them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Atom:
    """How one element turns vacancies into lines.

    Attributes:
        symbol: Chemical symbol.
        edge: Absorption edges, (shell,), [eV]; infinite where the shell is empty.
        fluorescence_yield: (shell,), [-].
        cascade: Vacancies in the row's shell per vacancy *ionised* in the column's, Coster-Kronig
            and K to L to M cascade included, (shell, shell), [-].
        line_name: As "L3M5", (line,).
        line_shell: Place of the line's shell in `SHELLS`, (line,).
        line_energy: (line,), [eV].
        line_rate: Share of the shell's radiative transitions, (line,), [-].
        line_width: Natural full width at half maximum, (line,), [eV].
    """

    symbol: str
    edge: Array
    fluorescence_yield: Array
    cascade: Array
    line_name: tuple[str, ...]
    line_shell: NDArray[np.int_]
    line_energy: Array
    line_rate: Array
    line_width: Array

    def ionisation(self, energies: ArrayLike) -> Array:
        """Return the photoelectric cross-section of each shell, (shell, energy), [m²/kg]."""
        kev = _in_kev(energies)
        number = np.array([atomic_number(self.symbol)], dtype=np.int_)
        table: Array = xraylib_np.CS_Photo_Partial(number, np.arange(len(SHELLS)), kev)[0]
        above = kev[None, :] >= self.edge[:, None] * _KEV
        return np.where(above, table, 0.0) * _CM2_PER_G

    def shell_production(self, energies: ArrayLike) -> Array:
        """Return photons of each shell per incident photon and mass, (shell, energy), [m²/kg]."""
        production: Array = self.fluorescence_yield[:, None] * (
            self.cascade @ self.ionisation(energies)
        )
        return production


@lru_cache(maxsize=512)
def atom(symbol: str, adjustment: AtomicAdjustment = AS_TABULATED) -> Atom:
    """Return the radiative data of an element.

    Args:
        symbol: Any of H to U; elements below Na have no line here.
        adjustment: Departures from the tables, of this element only (`AtomicAdjustment.of`).

    Raises:
        SpecificationError: No such element, shell, line or transfer.
    """
    number = atomic_number(symbol)
    edge = np.array([_number_or(np.inf, "EdgeEnergy", number, s) for s in range(len(SHELLS))])
    edge = np.where(edge > 0.0, edge, np.inf) / _KEV
    yields = np.array([_number_or(0.0, "FluorYield", number, s) for s in range(len(SHELLS))])
    transfer = _transfers(number, edge)
    for _, shell, factor in adjustment.fluorescence_yield:
        yields[_shell_index(shell)] *= factor
    for _, pair, factor in adjustment.coster_kronig:
        upper, _, lower = pair.partition("-")
        transfer[_shell_index(lower), _shell_index(upper)] *= factor
    names, shells, energies, rates = _lines(number, edge)
    _adjust_rates(names, rates, adjustment)
    for shell_place in np.unique(shells):
        own = shells == shell_place
        rates[own] /= np.sum(rates[own])
    return Atom(
        symbol=symbol,
        edge=edge,
        fluorescence_yield=yields,
        cascade=np.asarray(np.linalg.inv(np.eye(len(SHELLS)) - transfer), dtype=np.float64),
        line_name=names,
        line_shell=shells,
        line_energy=energies,
        line_rate=rates,
        line_width=_line_widths(number, names),
    )


def _number_or(default: float, function: str, *arguments: object) -> float:
    """Xraylib raises where it has no number; a shell that does not exist is no error here."""
    try:
        return float(getattr(xraylib, function)(*arguments))
    except ValueError:
        return default


def _shell_index(shell: str) -> int:
    if shell not in SHELLS:
        raise SpecificationError(
            f"{shell!r} is no shell.", where="atomic adjustment", allowed=", ".join(SHELLS)
        )
    return SHELLS.index(shell)


def _transfers(number: int, edge: Array) -> Array:
    """Return direct transfers of vacancies, (to, from); read off xraylib's linear cascade."""
    transfer = np.zeros((len(SHELLS), len(SHELLS)))
    for place, shell in enumerate(SHELLS[1:], start=1):
        if not np.isfinite(edge[place]):
            continue
        sources = place if shell[0] == "M" else min(place, 3)
        function = f"P{shell}_full_cascade_kissel"
        none = [0.0] * sources
        base = _number_or(0.0, function, number, _ENERGY_FOR_TRANSFER, *none)
        for origin in range(sources):
            if np.isfinite(edge[origin]):
                one = [float(each == origin) for each in range(sources)]
                with_one = _number_or(base, function, number, _ENERGY_FOR_TRANSFER, *one)
                transfer[place, origin] = with_one - base
    return transfer


def _lines(number: int, edge: Array) -> tuple[tuple[str, ...], NDArray[np.int_], Array, Array]:
    """Return names, shells, energies and rates of all lines with a rate."""
    names, shells, energies, rates = [], [], [], []
    for shell, name, code in _LINE_CODES if number >= 11 else ():
        rate = _number_or(0.0, "RadRate", number, code)
        place = SHELLS.index(shell)
        if rate <= 0.0 or not np.isfinite(edge[place]):
            continue
        energy = _number_or(0.0, "LineEnergy", number, code) / _KEV
        names.append(name)
        shells.append(place)
        # A transition from a shell without a tabulated energy ends close under the edge.
        energies.append(energy if energy > 0.0 else float(edge[place]))
        rates.append(rate)
    return tuple(names), np.array(shells, dtype=np.int_), np.array(energies), np.array(rates)


def _line_widths(number: int, names: tuple[str, ...]) -> Array:
    """Return the sum of both levels' widths, (line,), [eV]; an unknown level has none."""
    widths = []
    for name in names:
        both = _LINE_NAME.fullmatch(f"{name}_LINE")
        levels = (both[1], both[2]) if both else ()
        codes = [getattr(xraylib, f"{level}_SHELL", -1) for level in levels]
        widths.append(sum(_number_or(0.0, "AtomicLevelWidth", number, code) for code in codes))
    return np.array(widths) / _KEV


def _adjust_rates(names: tuple[str, ...], rates: Array, adjustment: AtomicAdjustment) -> None:
    factors: Mapping[str, float] = {name: f for _, name, f in adjustment.radiative_rate}
    for name, factor in factors.items():
        if name not in names:
            raise SpecificationError(
                f"{name!r} is no line of this element.",
                where="atomic adjustment",
                allowed=", ".join(names),
            )
        rates[names.index(name)] *= factor
