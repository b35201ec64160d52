"""Fits the statistical stand-in of the online analyzer to its whole chain, and validates it.

`collect` measures random liquors with simulated analyzers of several seeds (spectrum, calibration,
fit: some minutes) and writes every reading; `fit` turns them into the file of the stand-in;
`validate` compares stand-in and chain over seeds that the fit has not seen.

    python benchmarks/xrf_standin.py collect --seeds 1 2 3 4 5 --readings 70 --output fit.jsonl
    python benchmarks/xrf_standin.py collect --seeds 11 12 --readings 260 --output judge.jsonl
    python benchmarks/xrf_standin.py fit fit.jsonl --output standin_online_rh_40kv_ceprnd.yaml
    python benchmarks/xrf_standin.py validate judge.jsonl
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import ks_2samp

from raffinate.instruments.reading import Reading
from raffinate.instruments.xrf_chain import XrfChain
from raffinate.instruments.xrf_chain_build import ChainSpec, commissioned
from raffinate.instruments.xrf_standin import StandInXRF, features
from raffinate.instruments.xrf_standin_file import FORMAT, load_standin

Array = NDArray[np.float64]

ELEMENTS = ("Ce", "Pr", "Nd")
SLOT = 180.0
COUNT_TIME = 100.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readings:
    """Readings of the chain, one row each.

    Attributes:
        seed: Of the analyzer, (reading,).
        metals: True, (reading, element), [mol/m³].
        acid: True, (reading,), [mol/m³].
        values: Read, (reading, element), [mol/m³].
        covariance: Stated, (reading, element, element).
        limit: Stated, (reading, element), [mol/m³].
        chi2: Per degree of freedom, (reading,), [-].
    """

    seed: NDArray[np.int_]
    metals: Array
    acid: Array
    values: Array
    covariance: Array
    limit: Array
    chi2: Array

    @property
    def sigma(self) -> Array:
        """Stated standard deviations, (reading, element), [mol/m³]."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))


def random_liquor(generator: np.random.Generator) -> tuple[Array, float]:
    """Return metals and acid, [mol/m³]: any ratio over seven decades, as the stages of a bank."""
    shares = np.sort(generator.uniform(-7.0, 0.0, len(ELEMENTS)))
    shares = 10.0 ** (shares - shares[-1])
    generator.shuffle(shares)
    total = generator.uniform(200.0, 1900.0)
    acid = float(10.0 ** generator.uniform(1.5, 3.5))
    return total * shares / shares.sum(), acid


def line_of(seed: int, metals: Array, acid: float, reading: Reading) -> str:
    """Return a reading and the truth as a line of JSON."""
    found = {
        "seed": seed,
        "metals": metals.tolist(),
        "acid": acid,
        "values": reading.values.tolist(),
        "covariance": reading.covariance.tolist(),
        "detection_limit": reading.detection_limit.tolist(),
        "chi2_per_dof": reading.chi2_per_dof,
        "quality": reading.quality,
        "flags": list(reading.flags),
    }
    return json.dumps(found)


def collect(seeds: list[int], count: int, output: Path) -> None:
    """Measure random liquors with the analyzers of these seeds and write what they say."""
    with output.open("w", encoding="utf-8") as file:
        for seed in seeds:
            spec = ChainSpec(elements=ELEMENTS, seed=seed)
            chain = XrfChain(spec=spec, calibration=commissioned(spec), count_time=COUNT_TIME)
            generator, state = np.random.default_rng([seed, 77]), chain.start(0.0)
            for number in range(count):
                metals, acid = random_liquor(generator)
                state, measured = chain.measure(state, metals, acid, number * SLOT, generator)
                file.write(line_of(seed, metals, acid, measured.reading) + "\n")
                file.flush()


def read(path: Path) -> Readings:
    """Return the trusted readings of a file."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["quality"] != "bad"]

    def column(name: str) -> Any:
        return np.array([row[name] for row in rows])

    return Readings(
        seed=column("seed"),
        metals=column("metals"),
        acid=column("acid"),
        values=column("values"),
        covariance=column("covariance"),
        limit=column("detection_limit"),
        chi2=column("chi2_per_dof"),
    )


def fitted(data: Readings) -> dict[str, Any]:
    """Return the tables of the stand-in: relative least squares, variances not negative."""
    table = features(data.metals, data.acid)
    variance = np.diagonal(data.covariance, axis1=1, axis2=2)
    count = len(ELEMENTS)
    pairs = np.array(np.triu_indices(count, 1)).T
    bias, scatter = bias_and_scatter(data)
    return {
        "variance": [_relative(table, variance[:, place]) for place in range(count)],
        "limit": [_relative(table, data.limit[:, place] ** 2) for place in range(count)],
        "correlation": [
            np.linalg.lstsq(
                table, data.covariance[:, a, b] / (data.sigma[:, a] * data.sigma[:, b]), rcond=None
            )[0]
            for a, b in pairs
        ],
        "bias_sd": np.sqrt(np.mean(bias**2, axis=0)),
        "scatter": np.sqrt(np.mean(scatter**2, axis=0)),
        "chi2_sd": float(np.std(data.chi2)),
    }


def bias_and_scatter(data: Readings) -> tuple[Array, Array]:
    """Return (seed, element, element) and (seed, element): what each analyzer keeps, what not."""
    bias, scatter = [], []
    for seed in np.unique(data.seed):
        own = data.seed == seed
        away, sigma = data.values[own] - data.metals[own], data.sigma[own]
        rows, rests = [], []
        for place in range(len(ELEMENTS)):
            weight = 1.0 / sigma[:, place]
            design = data.metals[own] * weight[:, None]
            row = np.linalg.lstsq(design, away[:, place] * weight, rcond=None)[0]
            rest = away[:, place] * weight - design @ row
            rows.append(row)
            rests.append(np.sqrt(np.sum(rest**2) / (len(rest) - len(row))))
        bias.append(rows)
        scatter.append(rests)
    return np.array(bias), np.array(scatter)


def _relative(table: Array, values: Array) -> Array:
    return nnls(table / values[:, None], np.ones(len(values)))[0]


def write(data: Readings, found: dict[str, Any], output: Path) -> None:
    """Write the file of the stand-in."""
    seeds = ", ".join(str(seed) for seed in np.unique(data.seed))
    content = {
        "format": FORMAT,
        "name": output.stem.removeprefix("standin_"),
        "source": {
            "title": "Readings of the simulated analyzer online_rh_40kv",
            "evidence": "computed",
            "note": (
                f"benchmarks/xrf_standin.py: {len(data.seed)} readings of {COUNT_TIME:g} s by "
                f"analyzers of seeds {seeds}, calibrated with 13 standards; metals 200 to 1900 "
                "mol/m³ in any ratio, acid 30 to 3000 mol/m³"
            ),
        },
        "elements": list(ELEMENTS),
        "count_s": COUNT_TIME,
        **{
            name: _rounded(found[name])
            for name in ("variance", "correlation", "limit", "bias_sd", "scatter", "chi2_sd")
        },
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=96)
    output.write_text(text, encoding="utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, (list, np.ndarray)):
        return [_rounded(each) for each in value]
    return float(f"{float(value):.4g}")


def validate(data: Readings, standin: str) -> dict[str, Any]:
    """Compare chain and stand-in over the same liquors: stated sigma, error, coverage."""
    kind = load_standin(standin)
    generator, rows = np.random.default_rng(3), []
    for seed in np.unique(data.seed):
        bias, _ = bias_and_scatter(data)
        place = int(np.flatnonzero(np.unique(data.seed) == seed)[0])
        one = StandInXRF(standin=kind, bias=bias[place], count_time=COUNT_TIME)
        own = np.flatnonzero(data.seed == seed)
        rows += [one.measure(data.metals[k], data.acid[k], 0.0, generator) for k in own]
    order = np.concatenate([np.flatnonzero(data.seed == seed) for seed in np.unique(data.seed)])
    drawn = np.array(
        [(reading.values - data.metals[k]) for reading, k in zip(rows, order, strict=True)]
    )
    sigma = np.array([reading.sigma for reading in rows])
    limit = np.array([reading.detection_limit for reading in rows])
    away = (data.values - data.metals)[order]
    stated = data.sigma[order]
    result: dict[str, Any] = {"readings": len(rows)}
    for place, symbol in enumerate(ELEMENTS):
        z_chain, z_drawn = away[:, place] / stated[:, place], drawn[:, place] / sigma[:, place]
        ratio = sigma[:, place] / stated[:, place]
        result[symbol] = {
            "sigma_ratio_median": float(np.median(ratio)),
            "sigma_ratio_5_95": np.quantile(ratio, (0.05, 0.95)).tolist(),
            "limit_ratio_median": float(np.median(limit[:, place] / data.limit[order, place])),
            "rms_z_chain": float(np.sqrt(np.mean(z_chain**2))),
            "rms_z_standin": float(np.sqrt(np.mean(z_drawn**2))),
            "cover_95_chain": float(np.mean(np.abs(z_chain) < 1.96)),
            "cover_95_standin": float(np.mean(np.abs(z_drawn) < 1.96)),
            "ks_p_value": float(ks_2samp(z_chain, z_drawn).pvalue),
        }
    return result


def main() -> None:
    """Collect, fit or validate."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("collect")
    one.add_argument("--seeds", type=int, nargs="+", required=True)
    one.add_argument("--readings", type=int, default=70)
    one.add_argument("--output", type=Path, required=True)
    two = commands.add_parser("fit")
    two.add_argument("readings", type=Path)
    two.add_argument("--output", type=Path, required=True)
    three = commands.add_parser("validate")
    three.add_argument("readings", type=Path)
    three.add_argument("--standin", default="online_rh_40kv_ceprnd")
    options = parser.parse_args()
    if options.command == "collect":
        collect(options.seeds, options.readings, options.output)
    elif options.command == "fit":
        data = read(options.readings)
        write(data, fitted(data), options.output)
    else:
        print(json.dumps(validate(read(options.readings), options.standin), indent=1))


if __name__ == "__main__":
    main()
