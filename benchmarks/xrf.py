"""What is asked of the X-ray fluorescence analyzer against what is measured.

Spectra come from the forward model with counting noise; concentrations from the fit, which starts
from equal parts of all metals. Prints one table and, with --json or --output, JSON.

    python benchmarks/xrf.py
    python benchmarks/xrf.py --trials 200      # fewer trials where a ratio or coverage is claimed
    python benchmarks/xrf.py --part matched    # one part
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xrf_mismatch import METALS, VOLTAGE, readings, seeded

from raffinate.chemistry.elements import RARE_EARTHS, oxide_molar_masses
from raffinate.instruments.quantify import Quantifier, build_quantifier, quantify
from raffinate.instruments.quantify_limits import counting_limits, parameters
from raffinate.instruments.quantify_sample import SOIL_DENSITY
from raffinate.instruments.quantify_simulate import simulate_spectrum
from raffinate.instruments.spectrum_file import load_spectrum
from raffinate.instruments.xrf_atomic import atomic_mass
from raffinate.instruments.xrf_drift import NO_DRIFT, Drift
from raffinate.instruments.xrf_instrument_file import load_instrument

Array = NDArray[np.float64]

LIGHT = ("La", "Ce", "Pr", "Nd", "Sm")
LIGHT_SHARES = (0.264, 0.507, 0.050, 0.167, 0.012)
FIFTEEN = (*("La", "Ce", "Pr", "Nd", "Sm", "Eu", "Gd", "Tb"), *("Dy", "Ho", "Er", "Tm", "Yb"),
           *("Lu", "Y"))  # fmt: skip
RATE = 1.0e5
"""Counts per second of the light liquor."""
SECONDS = 100.0
NORMAL = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One line of the table.

    Attributes:
        what: What is measured.
        measured: Its value.
        asked: Least and largest value that is good; None where only reported.
        bounds: Of 95 % confidence in `measured`; None where it is no estimate.
        unit: Of all.
        remark: What a reader must know.
    """

    what: str
    measured: float
    asked: tuple[float, float] | None = None
    bounds: tuple[float, float] | None = None
    unit: str = ""
    remark: str = ""

    @property
    def met(self) -> bool | None:
        """Whether what was asked holds."""
        return None if self.asked is None else self.asked[0] <= self.measured <= self.asked[1]

    def to_dict(self) -> dict[str, Any]:
        """Return the line as plain numbers and texts."""
        return asdict(self) | {"met": self.met}


def moles(shares: tuple[float, ...], metals: tuple[str, ...], total: float) -> Array:
    """Return concentrations of oxide shares of a total [g/L], (metal,), [mol/m³]."""
    return np.array(shares) * total / np.array(oxide_molar_masses(metals))


def analyzer(metals: tuple[str, ...] = LIGHT, matrix: str = "chloride") -> Quantifier:
    """Return the shipped analyzer, ready for these elements."""
    return build_quantifier(load_instrument("online_rh_40kv"), metals, matrix)


def matched(trials: int) -> list[Judged]:
    """Return scatter, bias and coverage where the physics of the fit is that of the spectra."""
    from scipy.stats import beta, chi2

    one, truth = analyzer(), moles(LIGHT_SHARES, LIGHT, 150.0)
    nominal = counting_limits(one.model, parameters(one.model, truth), SECONDS)
    flux = RATE / nominal.count_rate
    generator = np.random.default_rng(20240)
    errors, within, quality = [], [], []
    for _ in range(trials):
        spectrum = simulate_spectrum(
            one.model, truth, 500.0, real_time=SECONDS, generator=generator,
            drift=Drift(flux=flux),
        )  # fmt: skip
        result = quantify(spectrum, one)
        error = result.concentration - truth
        errors.append(error)
        within.append(np.abs(error) <= NORMAL * result.sigma)
        quality.append(result.misfit.chi2_per_dof)
    live = spectrum.live_time
    bound = counting_limits(one.model, parameters(one.model, truth, 500.0, flux), live).sigma[:5]
    scaled = np.array(errors) / bound
    rms = np.sqrt(np.mean(scaled**2, axis=0))
    low, high = (np.sqrt(trials / chi2.ppf(q, trials)) for q in (0.975, 0.025))
    rows = [
        Judged(
            what=f"rms over Cramér-Rao, {symbol}", measured=float(value), asked=(0.0, 1.08),
            bounds=(float(value * low), float(value * high)),
            remark=f"{trials} trials, bound {100.0 * sigma / amount:.3f} % of {symbol}",
        )
        for symbol, value, sigma, amount in zip(LIGHT, rms, bound, truth, strict=True)
    ]  # fmt: skip
    for symbol, column in zip(LIGHT, scaled.T, strict=True):
        mean, spread = float(np.mean(column)), NORMAL * float(np.std(column)) / np.sqrt(trials)
        rows.append(
            Judged(
                what=f"bias, {symbol}", measured=mean, asked=(-0.2, 0.2), unit="sigma",
                bounds=(mean - spread, mean + spread),
            )
        )  # fmt: skip
    hits, count = int(np.sum(within)), 5 * trials
    # Elements of one spectrum are correlated: bounds of an independent sample a fifth as large.
    share, fewer = hits / count, trials
    rows.append(
        Judged(
            what="95 % intervals that hold the truth, pooled", measured=100.0 * share,
            asked=(93.0, 97.0), unit="%",
            bounds=(
                100.0 * float(beta.ppf(0.025, share * fewer, (1 - share) * fewer + 1)),
                100.0 * float(beta.ppf(0.975, share * fewer + 1, (1 - share) * fewer)),
            ),
        )
    )  # fmt: skip
    rows.append(Judged(what="χ² per degree of freedom, mean", measured=float(np.mean(quality))))
    return rows


SEEDS = 8
"""Analyzers of the mismatched part, each with atoms and standards of its own."""


def mismatched(trials: int) -> list[Judged]:
    """Return what a calibrated analyzer makes of atoms and a voltage that it does not know."""
    repeats = max(1, round(trials / (25 * SEEDS)))
    found = []
    for seed in range(1, SEEDS + 1):
        found.append(readings(seed, repeats))
        print(f"analyzer {seed} of {SEEDS} read", file=sys.stderr)
    count = sum(len(one.share_error) for one in found)
    told = f"{SEEDS} analyzers, {count} readings"
    squares = [float(np.mean(one.share_error**2)) for one in found]
    centre, low, high = _over_seeds(squares)
    rows = [
        Judged(
            what="mismatched, 13 standards: partition rms", measured=100.0 * centre**0.5,
            asked=(0.0, 0.05), unit="% REO", remark=f"{told}; kV {VOLTAGE / 1e3:+g}",
            bounds=(100.0 * max(low, 0.0) ** 0.5, 100.0 * high**0.5),
        )
    ]  # fmt: skip
    for place, symbol in enumerate(METALS):
        own = float(np.mean([np.mean(one.share_error[:, place] ** 2) for one in found]))
        rows.append(
            Judged(what=f"mismatched: partition rms, {symbol}", measured=100.0 * own**0.5,
                   unit="% REO")
        )  # fmt: skip
    for what, shares in (
        ("concentrations", [float(np.mean(one.inside)) for one in found]),
        ("partition", [float(np.mean(one.share_inside)) for one in found]),
    ):
        centre, low, high = _over_seeds(shares)
        rows.append(
            Judged(
                what=f"mismatched: 95 % intervals that hold the truth, {what}", unit="%",
                measured=100.0 * centre, asked=(90.0, 98.0), bounds=(100.0 * low, 100.0 * high),
                remark=told,
            )
        )  # fmt: skip
    worst = max((one.disturbed for one in found), key=abs)
    rows += [
        Judged(what="mismatched: χ² per degree of freedom, mean",
               measured=float(np.mean([one.chi2 for one in found]))),
        Judged(what="mismatched: voltage found, worst error", unit="V",
               measured=max((one.voltage - 40e3 - VOLTAGE for one in found), key=abs)),
        Judged(what="mismatched: total REO, worst of 24 disturbances", unit="%",
               measured=100.0 * worst, asked=(-1.0, 1.0),
               remark=f"of {24 * SEEDS} single readings, noise included"),
    ]  # fmt: skip
    for place, (product, stranger, _, _) in enumerate(found[0].limits):
        limit = float(np.mean([one.limits[place][2] for one in found])) * atomic_mass(stranger)
        numbers = float(np.mean([one.limits[place][3] for one in found]))
        rows += [
            Judged(what=f"mismatched: limit of {stranger} in {product} product", unit="g/L",
                   measured=limit, remark="150 g/L REO, 100 s, calibration included"),
            Judged(what=f"mismatched: {stranger} at a quarter of it, given as number",
                   measured=100.0 * numbers, asked=(0.0, 5.0), unit="%",
                   remark=f"{SEEDS * repeats} spectra"),
        ]  # fmt: skip
    return rows


def _over_seeds(values: list[float]) -> tuple[float, float, float]:
    """Mean and 95 % bounds: readings of one analyzer share its calibration's error."""
    from scipy.stats import t

    mean, count = float(np.mean(values)), len(values)
    half = float(t.ppf(0.975, count - 1)) * float(np.std(values, ddof=1)) / count**0.5
    return mean, mean - half, mean + half


def disturbed(trials: int) -> list[Judged]:
    """Return the worst bias of total REO under drift and acid."""
    one, truth = analyzer(), moles(LIGHT_SHARES, LIGHT, 150.0)
    generator = np.random.default_rng(20241)
    repeats, worst, case = max(1, min(5, trials // 50)), 0.0, ""
    for flux in (0.98, 1.02):
        for acid in (0.0, 1500.0, 3000.0):
            for zero, gain in ((10.0, 1e-3), (-10.0, -1e-3), (10.0, -1e-3), (-10.0, 1e-3)):
                found = [
                    quantify(
                        simulate_spectrum(
                            one.model, truth, acid, real_time=SECONDS, generator=generator,
                            drift=Drift(flux=flux, zero=zero, gain=gain),
                        ),
                        one,
                    ).total_reo[0]
                    for _ in range(repeats)
                ]  # fmt: skip
                bias = float(np.mean(found)) / 150.0 - 1.0
                if abs(bias) > abs(worst):
                    worst = bias
                    case = f"flux {flux}, {acid / 1e3} M HCl, {zero:+g} eV, gain {gain:+g}"
    return [
        Judged(
            what="total REO, worst of 24 disturbances", measured=100.0 * worst, asked=(-1.0, 1.0),
            unit="%", remark=f"{case}; mean of {repeats}; physics matched",
        )
    ]  # fmt: skip


def overlaps(trials: int) -> list[Judged]:
    """Return limits of what leaks into the other product, and whether less is kept quiet."""
    rows = []
    for name, shares, strangers in (
        ("CePr", (0.0, 0.91, 0.09, 0.0, 0.0), ("Nd",)),
        ("Nd", (0.0, 0.0, 0.0, 1.0, 0.0), ("Ce", "Pr")),
    ):
        one, truth = analyzer(), moles(shares, LIGHT, 150.0)
        found = counting_limits(one.model, parameters(one.model, truth, 500.0), SECONDS)
        for stranger in strangers:
            place = LIGHT.index(stranger)
            limit = float(found.detection[place])
            oxide = 100.0 * limit * RARE_EARTHS[stranger].oxide_molar_mass / 150.0
            rows.append(
                Judged(
                    what=f"limit of {stranger} in {name} product", unit="g/L",
                    measured=limit * atomic_mass(stranger),
                    remark=f"150 g/L REO, 100 s; {oxide:.3f} % of REO",
                )
            )  # fmt: skip
            rows.append(_kept_quiet(one, truth, place, 0.25 * limit, name, trials))
    return rows


def _kept_quiet(
    one: Quantifier, truth: Array, place: int, amount: float, product: str, trials: int
) -> Judged:
    generator = np.random.default_rng(20242)
    repeats = max(4, trials // 50)
    mixture = truth.copy()
    mixture[place] = amount
    numbers = 0
    for _ in range(repeats):
        spectrum = simulate_spectrum(
            one.model, mixture, 500.0, real_time=SECONDS, generator=generator, drift=NO_DRIFT
        )
        numbers += not quantify(spectrum, one).below_limit[place]
    return Judged(
        what=f"{LIGHT[place]} at a quarter of it, given as number",
        measured=100.0 * numbers / repeats,
        asked=(0.0, 5.0), unit="%", remark=f"{repeats} spectra of {product} product",
    )  # fmt: skip


def blanks(trials: int) -> list[Judged]:
    """Return how many rare earths are found where there are none."""
    rows = []
    repeats = max(2, trials // 100)
    for what, matrix, unknown in (
        ("blank acid, 1 M HCl", "chloride", 1000.0),
        ("blank organic, 40 % P507", "P507", 0.4),
    ):
        one, generator, found = analyzer(FIFTEEN, matrix), np.random.default_rng(20243), 0
        for _ in range(repeats):
            spectrum = simulate_spectrum(
                one.model, np.zeros(len(FIFTEEN)), unknown, real_time=SECONDS,
                generator=generator, drift=NO_DRIFT,
            )  # fmt: skip
            found += int(np.sum(~quantify(spectrum, one).below_limit))
        rows.append(
            Judged(
                what=f"{what}: rare earths above their limit", measured=float(found),
                asked=(0.0, 0.0), remark=f"{repeats} spectra of 15 elements",
            )
        )  # fmt: skip
    return rows


DATA = Path(__file__).parents[1] / "tests" / "literature" / "data" / "xrf"
SOIL = ("K", "Ca", "Ti", "V", "Cr", "Mn", "Fe", "Ni", "Cu", "Zn", "Ga", "As", "Br", "Rb", "Sr",
        "Zr", "Nb", "Ba", "Pb")  # fmt: skip


def soils(trials: int) -> list[Judged]:
    """Return how many rare earths are found in real soil and sediment, at tens of mg/kg."""
    instrument = load_instrument(DATA / "instrument_xgt7200.yaml")
    one, rows = build_quantifier(instrument, (*SOIL, *FIFTEEN), "soil"), []
    for name in ("NIST_2587_XGT7200.msa.txt", "PACS2_XGT7200.msa.txt"):
        result = quantify(load_spectrum(DATA / name), one)
        rare = np.isin(result.metals, FIFTEEN)
        place = result.metals.index("Ce")
        limit = 1e6 * result.detection[place] * atomic_mass("Ce") / SOIL_DENSITY
        remark = f"χ²/dof {result.misfit.chi2_per_dof:.2f}, limit of Ce {limit:.0f} mg/kg"
        rows.append(
            Judged(
                what=f"{name.split('_XGT')[0]}: rare earths above their limit", asked=(0.0, 0.0),
                measured=float(np.sum(~result.below_limit[rare])), remark=remark,
            )
        )  # fmt: skip
    return rows


def published(trials: int) -> list[Judged]:
    """Return the repeatability of a published analyzer's elements at its settings."""
    metals = ("Ho", "Er", "Tm", "Yb")
    one = analyzer(metals)
    truth = moles((0.25, 0.25, 0.25, 0.25), metals, 100.0)
    found = counting_limits(one.model, parameters(one.model, truth, 500.0), 60.0)
    worst = float(np.max(found.sigma[:4] / truth))
    remark = f"25 g/L oxide each, {found.count_rate:,.0f} counts/s; mixture and geometry assumed"
    return [
        Judged(
            what="Ho, Er, Tm, Yb at 40 kV, 600 µA, 60 s: worst RSD", measured=100.0 * worst,
            asked=(0.0, 0.4), unit="%", remark=remark,
        )
    ]  # fmt: skip


def speed(trials: int) -> list[Judged]:
    """Return times of one core, as this process used it: others do not count but by the cache."""
    repeats = max(20, min(trials, 200))
    one, truth = analyzer(), moles(LIGHT_SHARES, LIGHT, 150.0)
    masses = one.model.sample.masses(truth, 500.0)
    forward = _times(lambda: one.model.forward.spectrum(masses), repeats)
    several = _quantify_times(one, truth, repeats)
    many = analyzer((*FIFTEEN, "Fe"))
    heavy = _quantify_times(many, np.full(16, 40.0), max(5, repeats // 10))
    standards = seeded(1)
    own = _quantify_times(standards.quantifier, truth, repeats)
    wide = build_quantifier(many.model.instrument, many.model.sample.metals,
                            calibration=standards.calibration)  # fmt: skip
    both = _quantify_times(wide, np.full(16, 40.0), max(5, repeats // 10))
    return [
        Judged(what="forward, 5 elements", measured=float(np.median(forward)), asked=(0.0, 3.0),
               unit="ms", remark="median"),
        Judged(what="quantify, 5 elements, median", measured=float(np.median(several)),
               asked=(0.0, 20.0), unit="ms"),
        Judged(what="quantify, 5 elements, p95", measured=float(np.quantile(several, 0.95)),
               asked=(0.0, 60.0), unit="ms"),
        Judged(what="quantify, 14 lanthanides, Y and Fe", measured=float(np.median(heavy)),
               asked=(0.0, 150.0), unit="ms", remark="median"),
        Judged(what="the same, calibrated: 5 elements, median", measured=float(np.median(own)),
               asked=(0.0, 20.0), unit="ms"),
        Judged(what="calibrated: 5 elements, p95", measured=float(np.quantile(own, 0.95)),
               asked=(0.0, 60.0), unit="ms"),
        Judged(what="calibrated: 14 lanthanides, Y and Fe", measured=float(np.median(both)),
               asked=(0.0, 150.0), unit="ms", remark="median; standards of 5 of them"),
    ]  # fmt: skip


def _quantify_times(one: Quantifier, truth: Array, repeats: int) -> Array:
    generator = np.random.default_rng(20244)
    spectra = [
        simulate_spectrum(
            one.model, truth, 500.0, real_time=SECONDS, generator=generator, drift=NO_DRIFT
        )
        for _ in range(5)
    ]
    quantify(spectra[0], one)
    queue = iter(spectra * (repeats // 5 + 1))
    return _times(lambda: quantify(next(queue), one), repeats)


def _times(call: Callable[[], object], repeats: int) -> Array:
    taken = []
    for _ in range(repeats):
        begin = time.process_time()
        call()
        taken.append(1e3 * (time.process_time() - begin))
    return np.array(taken)


PARTS: dict[str, Callable[[int], list[Judged]]] = {
    "matched": matched,
    "mismatched": mismatched,
    "disturbed": disturbed,
    "overlaps": overlaps,
    "blanks": blanks,
    "soils": soils,
    "published": published,
    "speed": speed,
}


def main() -> int:
    """Measure, print, and say by the exit code whether all is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=tuple(PARTS), action="append")
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    if "OPENBLAS_NUM_THREADS" not in os.environ:
        # One core: numpy reads it when it is loaded, so the program begins anew.
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    rows = [row for part in asked.part or PARTS for row in PARTS[part](asked.trials)]
    text = json.dumps([row.to_dict() for row in rows], indent=2, ensure_ascii=False)
    if asked.json:
        print(text)
    else:
        for row in rows:
            print(_line(row))
    if asked.output:
        asked.output.write_text(text + "\n", encoding="utf-8")
    return 0 if all(row.met is not False for row in rows) else 1


def _line(row: Judged) -> str:
    mark = {True: "met", False: "MISSED", None: ""}[row.met]
    bounds = "" if row.bounds is None else f" [{row.bounds[0]:.3f}, {row.bounds[1]:.3f}]"
    asked = "" if row.asked is None else f"{row.asked[0]:g} to {row.asked[1]:g}"
    value = f"{row.measured:.4g}{bounds} {row.unit}"
    return f"{row.what:<52} {value:<34} {asked:<12} {mark:<7} {row.remark}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
