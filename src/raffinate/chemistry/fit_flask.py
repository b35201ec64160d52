"""One flask or thousands shaken on paper: distribution ratios and their slopes in closed form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LN_10 = float(np.log(10.0))

BRACKET = 60.0
"""Largest size of ln f/h that is looked for, [-]."""

BRACKET_STEPS = 130
"""Most steps towards ln f/h; halving alone would leave the bracket narrower in half of them."""

CLOSE = 1e-13
"""Last change of ln f/h after which Newton's next would be lost in rounding, [-]."""

NEWTON_STEPS = 40
"""Most Newton steps from the unloaded start."""

CLOSED = 1e-13
"""Error of a balance, as a share of the extractant, that one more step takes to rounding, [-]."""

SHORTENED = 0.5 ** np.arange(8.0)
"""Lengths of a Newton step of which the best is taken."""


class Flasks(NamedTuple):
    """What was put into every flask, per m³ of aqueous or of organic.

    Attributes:
        feed: Metals in the aqueous before shaking, (flask, element), [mol/m³]; 0 if absent.
        acidity: H⁺ put in, or found at the end where `at_end`, (flask,), [mol/m³].
        at_end: Whether `acidity` is that after shaking, (flask,).
        extractant: Extractant in units in which it exists freely, (flask,), [mol/m³].
        saponified: Exchangeable cation the organic brings, (flask,), [mol/m³].
        oa_ratio: Organic over aqueous volume, (flask,), [-].
        exchange_constant: K of cation⁺ + (HA)₂ ⇌ cation(HA₂) + H⁺, [-].
    """

    feed: Floats
    acidity: Floats
    at_end: NDArray[np.bool_]
    extractant: Floats
    saponified: Floats
    oa_ratio: Floats
    exchange_constant: float


class Shaken(NamedTuple):
    """Every flask at equilibrium.

    Attributes:
        log10_ratio: log₁₀ D, (flask, element), [-]; of an absent element that of a trace of it.
        loading: Share of the extractant bound to metals, (flask,), [-].
        free_extractant: (flask,), [mol/m³].
        proton: Aqueous H⁺, (flask,), [mol/m³].
        error: Largest error of the balances, as a share of the extractant, (flask,), [-].
    """

    log10_ratio: Floats
    loading: Floats
    free_extractant: Floats
    proton: Floats
    error: Floats


class Slopes(NamedTuple):
    """Derivatives of log₁₀ D of each element (the second axis) at equilibrium, [-].

    Attributes:
        constant: By log₁₀ K in this flask, (flask, element, element).
        kappa: By κ, (flask, element, element).
        terms: By a0 and a1, (flask, element, 2).
    """

    constant: Floats
    kappa: Floats
    terms: Floats


class _Phases(NamedTuple):
    """The phases of every flask at a state, and what their slopes need.

    Attributes:
        log_ratio: ln D, (flask, element), [-].
        share: 3 y/L, (flask, element), [-].
        rise: ∂ share/∂ ln D, (flask, element), [-].
        free: f, (flask,), [mol/m³].
        proton: h, (flask,), [mol/m³].
        filled: (f + s)/L, (flask,), [-].
        filling: ∂ filled/∂ ln(f/h), (flask,), [-].
    """

    log_ratio: Floats
    share: Floats
    rise: Floats
    free: Floats
    proton: Floats
    filled: Floats
    filling: Floats


def shake_flasks(
    flasks: Flasks, log10_constant: Floats, kappa: Floats, terms: Floats
) -> tuple[Shaken, Slopes]:
    """Shake every flask on paper.

    With q = ln f/h, Φ the share of extractant bound to metals and Ψ = Σκφ,

        log₁₀ D = log₁₀ K + 3 q/ln10 - a0 Φ - a1 (κ Φ + Ψ),  y = (x₀/r) rD/(1 + rD),
        s = K_s e^q r s₀/(1 + K_s e^q r),  h = (L - s₀ + h₀/r)/(e^q + 1/r),  f = h e^q,

    and f + 3Σy + s = L, Φ = 3Σy/L, Ψ = 3Σκy/L are left. Without loading terms the first alone
    remains and its left side rises with q, so Newton's steps inside a bracket, halved where they
    leave it, arrive; from there Newton's method takes the terms in. The slopes are those of the
    implicit function theorem at the solution.

    Args:
        flasks: What was put in.
        log10_constant: log₁₀ K in each flask, offsets and lagged activities included,
            (flask, element), [-].
        kappa: κ of each element, (element,), [-].
        terms: a0 and a1 of the loading model, (2,), [-].

    Returns:
        The flasks at equilibrium, their errors unchecked, and the slopes of log₁₀ D there.
    """
    # What overflows on the way is refused by its balances; callers check the errors at the end.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        start = _unloaded(flasks, log10_constant, kappa)
        found = _newton(flasks, log10_constant, kappa, terms, start)
        phases = _phases(flasks, log10_constant, found, kappa, terms)
        residual = _balances(phases, found, kappa)
        inverse = _inverse_three(_jacobian(phases, kappa, terms))
        state = found - (inverse @ residual[:, :, None])[:, :, 0]
        phases = _phases(flasks, log10_constant, state, kappa, terms)
        shaken = Shaken(
            log10_ratio=phases.log_ratio / LN_10,
            loading=phases.share.sum(axis=1),
            free_extractant=phases.free,
            proton=phases.proton,
            error=np.max(np.abs(residual), axis=1),
        )
        return shaken, _slopes(phases, state, kappa, terms)


def _phases(
    flasks: Flasks, log10_constant: Floats, state: Floats, kappa: Floats, terms: Floats
) -> _Phases:
    """Return the phases of every flask at a state (flask, 3) of q, Φ and Ψ."""
    drive, bound, weighed = state[:, 0], state[:, 1, None], state[:, 2, None]
    departure = terms[0] * bound + terms[1] * (kappa * bound + weighed)
    log_ratio = LN_10 * (log10_constant - departure) + 3.0 * drive[:, None]
    oa = flasks.oa_ratio
    odds = log_ratio + np.log(oa)[:, None]
    fading = np.exp(-np.abs(odds))
    most = 3.0 * flasks.feed / (oa * flasks.extractant)[:, None]
    share = most * np.where(odds > 0.0, 1.0, fading) / (1.0 + fading)
    free, proton, filled, filling = _without_metals(flasks, drive)
    return _Phases(
        log_ratio=log_ratio,
        share=share,
        rise=share * np.where(odds > 0.0, fading, 1.0) / (1.0 + fading),
        free=free,
        proton=proton,
        filled=filled,
        filling=filling,
    )


def _without_metals(flasks: Flasks, drive: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return f and h, [mol/m³], and (f + s)/L with its slope by q, [-], each (flask,)."""
    oa, strength = flasks.oa_ratio, flasks.extractant
    power = np.exp(drive)
    put_in = (strength - flasks.saponified + flasks.acidity / oa) / (power + 1.0 / oa)
    proton = np.where(flasks.at_end, flasks.acidity, put_in)
    free = proton * power
    exchanged = flasks.exchange_constant * power * oa
    salt = flasks.saponified * exchanged / (1.0 + exchanged)
    freed = np.where(flasks.at_end, free, free / (oa * power + 1.0))
    return free, proton, (free + salt) / strength, (freed + salt / (1.0 + exchanged)) / strength


def _balances(phases: _Phases, state: Floats, kappa: Floats) -> Floats:
    """Return how far extractant, Φ and Ψ are from closing, (flask, 3), [-]."""
    bound, weighed = phases.share.sum(axis=1), phases.share @ kappa
    return np.stack(
        [phases.filled + bound - 1.0, bound - state[:, 1], weighed - state[:, 2]], axis=1
    )


def _departures(kappa: Floats, terms: Floats) -> Floats:
    """Return ∂ ln D/∂ (q, Φ, Ψ), (element, 3), [-]."""
    return np.stack(
        [
            np.full(len(kappa), 3.0),
            -LN_10 * (terms[0] + terms[1] * kappa),
            np.full(len(kappa), -LN_10 * terms[1]),
        ],
        axis=1,
    )


def _jacobian(phases: _Phases, kappa: Floats, terms: Floats) -> Floats:
    """Return the derivatives of the balances by the state, (flask, 3, 3)."""
    by_state = _departures(kappa, terms)
    plain, weighed = phases.rise @ by_state, (phases.rise * kappa) @ by_state
    whole = np.stack([plain, plain, weighed], axis=1)
    whole[:, 0, 0] += phases.filling
    whole[:, 1, 1] -= 1.0
    whole[:, 2, 2] -= 1.0
    return whole


def _slopes(phases: _Phases, state: Floats, kappa: Floats, terms: Floats) -> Slopes:
    """Return the slopes of log₁₀ D at the solution."""
    inverse = _inverse_three(_jacobian(phases, kappa, terms))
    # ∂ ln D/∂ balance, so that a parameter which shifts ln D directly counts by both ways.
    answer = -np.einsum("es,fsb->feb", _departures(kappa, terms), inverse)
    weights = np.stack([np.ones_like(kappa), np.ones_like(kappa), kappa], axis=0)
    by_ratio = (answer @ weights) * phases.rise[:, None, :]
    width = np.arange(len(kappa))
    whole = by_ratio.copy()
    whole[:, width, width] += 1.0
    bound, weighed = state[:, 1, None], state[:, 2, None]
    by_kappa = -terms[1] * bound[:, :, None] * whole
    by_kappa += answer[:, :, 2, None] * phases.share[:, None, :] / LN_10
    level = -whole.sum(axis=2) * bound
    spread = -(whole @ (kappa * bound + weighed)[:, :, None])[:, :, 0]
    return Slopes(constant=whole, kappa=by_kappa, terms=np.stack([level, spread], axis=2))


def _unloaded(flasks: Flasks, log10_constant: Floats, kappa: Floats) -> Floats:
    """Return the state that holds if the loading terms are 0, (flask, 3)."""
    count = len(flasks.feed)
    flask, element = np.nonzero(flasks.feed)
    unit_odds = LN_10 * log10_constant[flask, element] + np.log(flasks.oa_ratio)[flask]
    most = 3.0 * flasks.feed[flask, element] / (flasks.oa_ratio * flasks.extractant)[flask]

    def taken(drive: Floats) -> tuple[Floats, Floats]:
        odds = unit_odds + 3.0 * drive[flask]
        fading = np.exp(-np.abs(odds))
        part = np.where(odds > 0.0, 1.0, fading) / (1.0 + fading)
        return most * part, most * part * (1.0 - part)

    def summed(values: Floats) -> Floats:
        sums = np.bincount(flask, weights=values, minlength=count)
        return np.asarray(sums, dtype=np.float64)

    drive, moved = np.zeros(count), np.full(count, 2.0 * BRACKET)
    low, high = np.full(count, -BRACKET), np.full(count, BRACKET)
    for _ in range(BRACKET_STEPS):
        share, rise = taken(drive)
        _, _, filled, filling = _without_metals(flasks, drive)
        over = filled + summed(share) - 1.0
        high = np.where(over > 0.0, drive, high)
        low = np.where(over > 0.0, low, drive)
        sought = drive - over / (filling + 3.0 * summed(rise))
        fine = (sought >= low) & (sought <= high) & (np.abs(sought - drive) <= 0.5 * moved)
        following = np.where(fine, sought, 0.5 * (low + high))
        following = np.where(moved > CLOSE, following, drive)
        moved = np.where(moved > CLOSE, np.abs(following - drive), moved)
        drive = following
        if np.all(moved <= CLOSE):
            break
    share, _ = taken(drive)
    return np.stack([drive, summed(share), summed(share * kappa[element])], axis=1)


def _newton(
    flasks: Flasks, log10_constant: Floats, kappa: Floats, terms: Floats, start: Floats
) -> Floats:
    """Return the roots of the balances, each step as long as serves its norm best."""
    state = start.copy()
    phases = _phases(flasks, log10_constant, state, kappa, terms)
    residual = _balances(phases, state, kappa)
    norm = np.max(np.abs(residual), axis=1)
    going = np.flatnonzero(norm > CLOSED)
    for _ in range(NEWTON_STEPS):
        if not going.size:
            break
        chosen = _rows(flasks, going)
        constant, here = log10_constant[going], state[going]
        phases = _phases(chosen, constant, here, kappa, terms)
        inverse = _inverse_three(_jacobian(phases, kappa, terms))
        move = (inverse @ _balances(phases, here, kappa)[:, :, None])[:, :, 0]
        tried = here - SHORTENED[:, None, None] * move
        norms = np.stack(
            [
                np.max(
                    np.abs(_balances(_phases(chosen, constant, one, kappa, terms), one, kappa)),
                    axis=1,
                )
                for one in tried
            ]
        )
        norms = np.where(np.isfinite(norms), norms, np.inf)
        best = np.argmin(norms, axis=0)
        place = np.arange(len(going))
        better = norms[best, place] < norm[going]
        state[going[better]] = tried[best, place][better]
        norm[going[better]] = norms[best, place][better]
        going = going[better & (norms[best, place] > CLOSED)]
    return state


def _rows(flasks: Flasks, chosen: NDArray[np.intp]) -> Flasks:
    """Return some of the flasks."""
    return Flasks(
        feed=flasks.feed[chosen],
        acidity=flasks.acidity[chosen],
        at_end=flasks.at_end[chosen],
        extractant=flasks.extractant[chosen],
        saponified=flasks.saponified[chosen],
        oa_ratio=flasks.oa_ratio[chosen],
        exchange_constant=flasks.exchange_constant,
    )


def _inverse_three(matrix: Floats) -> Floats:
    """Return the inverses of matrices (flask, 3, 3) by Cramer's rule; none raises if singular."""
    (a, b, c), (d, e, f), (g, h, i) = np.moveaxis(matrix, 0, -1)
    rows = [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ]
    whole = a * rows[0][0] + b * rows[1][0] + c * rows[2][0]
    return np.moveaxis(np.array(rows) / whole, -1, 0)
