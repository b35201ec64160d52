"""From species to a Pitzer model: parameters gathered, and every gap named."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.pitzer import A_PHI, DECAYS, PitzerModel, PitzerParameters
from raffinate.chemistry.pitzer_data import SERIES, PitzerLibrary, load_pitzer
from raffinate.chemistry.pitzer_electrostatic import DEGREE, electrostatic_polynomial
from raffinate.chemistry.species import Species
from raffinate.numerics.jax_setup import jnp
from raffinate.sources import Source

SLOPE_SOURCE = Source(
    title="Debye-Hückel slope of the osmotic coefficient at 25 °C",
    reference="K. S. Pitzer, Activity Coefficients in Electrolyte Solutions, 2nd ed., CRC Press"
    " 1991, ch. 3, table 1",
    note="As transcribed in pytzer 0.6.0.",
)

_RARE_EARTHS = frozenset(f"{symbol}+3" for symbol in (*SERIES, "Y", "Sc"))


def build_pitzer(
    species: Sequence[Species], *, library: PitzerLibrary | None = None, a_phi: float = A_PHI
) -> tuple[PitzerModel, PitzerParameters, tuple[str, ...], tuple[Source, ...]]:
    """Return the model of these aqueous species, its numbers, its gaps, and its sources.

    Args:
        species: Aqueous, in the order of the concentrations.
        library: Parameters; the shipped ones by default.
        a_phi: Debye-Hückel slope of the osmotic coefficient, [kg^½/mol^½].
    """
    library = library or load_pitzer()
    names, charges = [one.name for one in species], [one.charge for one in species]
    gaps: dict[str, list[str]] = {}
    found: list[Source] = [SLOPE_SOURCE]
    virial = _virial_blocks(names, charges, library, gaps, found)
    pairs, triple = _triples(names, charges, library, gaps, found)
    decays = tuple(k for k in range(len(DECAYS)) if np.any(virial[2 + k]))
    kinds = sorted({charge for charge in charges if charge})
    unlike = [(one, other) for one, other in itertools.combinations(kinds, 2) if one * other > 0]
    model = PitzerModel(
        charges=tuple(charges), decays=decays, pairs=tuple(pairs), charge_pairs=tuple(unlike)
    )
    fitted = [electrostatic_polynomial(one, other, a_phi) for one, other in unlike]
    parameters = PitzerParameters(
        a_phi=jnp.asarray(a_phi),
        virial=jnp.asarray(np.concatenate([virial[k] for k in (0, 1, *(2 + d for d in decays))])),
        triple=jnp.asarray(triple),
        electrostatic=jnp.asarray(np.reshape(fitted, (len(unlike), DEGREE + 1))),
    )
    warnings = (*_double_counts(species), *_sentences(gaps))
    return model, parameters, warnings, tuple(dict.fromkeys(found))


def _virial_blocks(
    names: Sequence[str],
    charges: Sequence[int],
    library: PitzerLibrary,
    gaps: dict[str, list[str]],
    found: list[Source],
) -> NDArray[np.float64]:
    """Return 2β⁽⁰⁾ or 2θ, C, and 2β of each decay, (block, ion, ion)."""
    blocks = np.zeros((2 + len(DECAYS), len(names), len(names)))
    for i, j in itertools.combinations(range(len(names)), 2):
        sign = charges[i] * charges[j]
        if sign > 0:
            key = tuple(sorted((names[i], names[j])))
            if key in library.theta:
                value, source = library.theta[key]
                blocks[0, i, j] = blocks[0, j, i] = 2.0 * value
                _note(source, "mixing " + "–".join(key), gaps, found)
            else:
                gaps.setdefault("theta", []).append(_gap(key))
        elif sign < 0:
            cation, anion = (i, j) if charges[i] > 0 else (j, i)
            pair = (names[cation], names[anion])
            if pair not in library.binary:
                if pair != ("H+", "OH-"):
                    gaps.setdefault("beta", []).append("–".join(pair))
                continue
            one = library.binary[pair]
            _note(one.source, "–".join(pair), gaps, found)
            first = 1 if (charges[cation], charges[anion]) == (2, -2) else 0
            c = one.c_phi / (2.0 * abs(sign) ** 0.5)
            terms = ((0, 2.0 * one.beta0), (1, c), (2 + first, 2.0 * one.beta1))
            for block, value in (*terms, (4, 2.0 * one.beta2)):
                blocks[block, i, j] = blocks[block, j, i] = value
    return blocks


def _triples(
    names: Sequence[str],
    charges: Sequence[int],
    library: PitzerLibrary,
    gaps: dict[str, list[str]],
    found: list[Source],
) -> tuple[list[tuple[int, int]], NDArray[np.float64]]:
    """Return the pairs of ions that meet a third, and ψ of each ion with each, (ion, pair)."""
    columns: dict[tuple[int, int], int] = {}
    entries: list[tuple[int, int, float]] = []
    for members in itertools.combinations(range(len(names)), 3):
        signs = {np.sign(charges[k]) for k in members}
        if signs != {-1, 1}:
            continue
        key = tuple(sorted(names[k] for k in members))
        if key not in library.psi:
            gaps.setdefault("psi", []).append(_gap(key))
            continue
        value, source = library.psi[key]
        _note(source, "mixing " + "–".join(key), gaps, found)
        if value:
            for ion in members:
                one, other = (k for k in members if k != ion)
                place = columns.setdefault((one, other), len(columns))
                entries.append((ion, place, value))
    triple = np.zeros((len(names), len(columns)))
    for ion, place, value in entries:
        triple[ion, place] += value
    return list(columns), triple


def _gap(ions: Sequence[str]) -> str:
    """Name ions that lack a mixing parameter; the many pairs of rare earths share one name."""
    rest = [name for name in ions if name not in _RARE_EARTHS]
    if len(ions) - len(rest) < 2:
        return "–".join(ions)
    return "–".join(["rare earths among themselves", *rest])


def _note(source: Source, what: str, gaps: dict[str, list[str]], found: list[Source]) -> None:
    found.append(source)
    if source.evidence in ("interpolated", "assumed"):
        gaps.setdefault(source.evidence, []).append(what)


_GAPS = {
    "beta": "no published parameters, taken as zero, for",
    "theta": "no published mixing parameter θ, taken as zero, for",
    "psi": "no published mixing parameter ψ, taken as zero, for",
    "interpolated": "interpolated between measured neighbours of the series:",
    "assumed": "assumed:",
}


def _sentences(gaps: dict[str, list[str]]) -> Iterable[str]:
    for kind, sentence in _GAPS.items():
        if kind in gaps:
            yield f"Pitzer: {sentence} {', '.join(dict.fromkeys(gaps[kind]))}."


def _double_counts(species: Sequence[Species]) -> Iterable[str]:
    """Name the complexes that the interaction terms of a salt already contain."""
    twice = [
        one.name
        for one in species
        if len(dict(one.composition)) > 1 and dict(one.composition).get("chloride", 0.0) > 0.0
    ]
    if twice:
        yield (
            f"Pitzer: {', '.join(twice)} counted twice: the interaction terms of the chlorides"
            " describe them as fully dissociated. Leave these complexes out."
        )
