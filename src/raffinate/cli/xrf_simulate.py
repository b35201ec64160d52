"""`raffinate xrf simulate` and `limits`: what an analyzer would record, and could tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import (
    check_ending,
    console,
    failing_politely,
    table,
    text_writer,
    to_json,
    write_output,
)
from raffinate.cli.options import Json, output_option
from raffinate.cli.xrf_mixture import amounts_of, matrix_value, parse_mixture
from raffinate.cli.xrf_quantify import INSTRUMENT
from raffinate.errors import SpecificationError

if TYPE_CHECKING:
    from raffinate.instruments.quantify_limits import Limits
    from raffinate.instruments.quantify_model import FitModel

PICTURES = (".png", ".svg", ".pdf")

Mixture = Annotated[
    str, typer.Argument(help="g/L of elements, La=33.8,Ce=61.9; oxide shares with --reo-g-per-L.")
]
Instrument = Annotated[str, typer.Option(help="A shipped analyzer, or its YAML file.")]
Matrix = Annotated[
    str, typer.Option(help="chloride, nitrate, sulfate; P507, D2EHPA or TBP in kerosene.")
]
Reo = Annotated[
    float | None, typer.Option("--reo-g-per-L", help="Total of the oxides; shares are scaled.")
]
Acid = Annotated[float | None, typer.Option("--acid-mol-per-L", help="Free acid.")]
Extractant = Annotated[
    float | None, typer.Option("--extractant-fraction", help="Volume share of extractant.")
]
Seconds = Annotated[float, typer.Option(help="Counting time on the clock.")]


def simulate_file(
    mixture: Mixture,
    instrument: Instrument = INSTRUMENT,
    matrix: Matrix = "chloride",
    reo: Reo = None,
    acid: Acid = None,
    extractant: Extractant = None,
    seconds: Seconds = 100.0,
    seed: Annotated[int, typer.Option(help="Of the counting noise.")] = 0,
    flux: Annotated[float, typer.Option(help="Of the tube over nominal.")] = 1.0,
    zero_eV: Annotated[float, typer.Option("--zero-ev", help="Shift of zero energy.")] = 0.0,
    gain: Annotated[float, typer.Option(help="Change of gain, as 0.001.")] = 0.0,
    output: Annotated[Path | None, output_option("Write .msa, .json or a picture here.")] = None,
    as_json: Json = False,
) -> None:
    """Count a spectrum of a mixture on an analyzer, with noise, dead time and pile-up."""
    with failing_politely(as_json=as_json):
        check_ending(output, (".msa", ".json", *PICTURES))
        import numpy as np

        from raffinate.instruments.quantify_simulate import emsa_text, simulate_spectrum
        from raffinate.instruments.spectrum import describe_spectrum
        from raffinate.instruments.xrf_drift import Drift
        from raffinate.plots.spectrum import save_spectrum

        model, amounts = _model(mixture, reo, instrument, matrix)
        if seed < 0:
            raise SpecificationError(f"the seed is {seed}.", where="--seed", allowed="0 or above")
        spectrum = simulate_spectrum(
            model, np.array(amounts), matrix_value(model.sample, acid, extractant),
            real_time=seconds, generator=np.random.default_rng(seed),
            drift=Drift(flux=flux, zero=zero_eV, gain=gain), title=f"simulated {mixture}",
        )  # fmt: skip
        facts = describe_spectrum(spectrum)
        if as_json:
            typer.echo(to_json(facts))
        else:
            _print_counts(facts)
        write_output(
            output,
            {
                ".msa": text_writer(lambda: emsa_text(spectrum)),
                ".json": text_writer(lambda: to_json(facts)),
                **dict.fromkeys(PICTURES, lambda path: save_spectrum(spectrum, path)),
            },
        )


def show_limits(
    mixture: Mixture,
    instrument: Instrument = INSTRUMENT,
    matrix: Matrix = "chloride",
    reo: Reo = None,
    acid: Acid = None,
    extractant: Extractant = None,
    seconds: Annotated[float, typer.Option(help="Live time.")] = 100.0,
    output: Annotated[Path | None, output_option("Write .json or a picture here.")] = None,
    as_json: Json = False,
) -> None:
    """Tell how well counting statistics let a mixture be known: Cramér-Rao bound and limits."""
    with failing_politely(as_json=as_json):
        check_ending(output, (".json", *PICTURES))
        from raffinate.instruments.quantify_limits import counting_limits, parameters

        model, amounts = _model(mixture, reo, instrument, matrix)
        unknown = matrix_value(model.sample, acid, extractant)
        found = counting_limits(model, parameters(model, amounts, unknown), seconds)
        facts = _limit_facts(model, found)
        if as_json:
            typer.echo(to_json(facts))
        else:
            _print_limits(facts)

        def draw(path: Path) -> None:
            from raffinate.plots.xrf_fit import save_expected

            save_expected(model, found, path)

        writers: dict[str, Any] = {".json": text_writer(lambda: to_json(facts))}
        write_output(output, {**writers, **dict.fromkeys(PICTURES, draw)})


def _model(
    mixture: str, reo: float | None, instrument: str, matrix: str
) -> tuple[FitModel, list[float]]:
    from raffinate.instruments.quantify import build_quantifier
    from raffinate.instruments.xrf_instrument_file import load_instrument

    amounts = parse_mixture(mixture, reo)
    quantifier = build_quantifier(load_instrument(instrument), tuple(amounts), matrix)
    return quantifier.model, amounts_of(amounts, quantifier.model.sample.metals)


def _print_counts(facts: dict[str, Any]) -> None:
    typer.echo(
        f"{facts['total_counts']:,.0f} counts in {facts['live_time_s']:.2f} s live, "
        f"{facts['counts_per_live_s']:,.0f} counts/s, dead time {facts['dead_time_fraction']:.1%}"
    )


def _limit_facts(model: FitModel, found: Limits) -> dict[str, Any]:
    from raffinate.instruments.xrf_atomic import atomic_mass

    elements = {}
    for place, symbol in enumerate(model.sample.metals):
        mass, amount = atomic_mass(symbol), float(found.values[place])
        sigma = float(found.sigma[place])
        elements[symbol] = {
            "g_per_L": amount * mass,
            "sigma": sigma * mass,
            "relative_sigma": sigma / amount if amount > 0.0 else None,
            "limit_g_per_L": float(found.detection[place]) * mass,
        }
    count, scale = len(elements), model.sample.unknown.scale
    spreads = found.sigma[count:].copy()
    spreads[0] /= scale
    return {
        "instrument": model.forward.instrument.name,
        "live_time_s": found.live_time,
        "counts_per_s": found.count_rate,
        "elements": elements,
        "fitted": list(found.names),
        "nuisance_sigma": dict(zip(found.names[count:], spreads.tolist(), strict=True)),
    }


def _print_limits(facts: dict[str, Any]) -> None:
    made = table(
        f"{facts['instrument']}, {facts['live_time_s']:g} s, {facts['counts_per_s']:,.0f} counts/s",
        *("element", "g/L", "± g/L", "± %", "limit g/L"),
        caption="Cramér-Rao bound and Currie's limit, with all of these fitted: "
        + ", ".join(facts["fitted"]),
    )
    for symbol, row in facts["elements"].items():
        relative = row["relative_sigma"]
        made.add_row(
            symbol, f"{row['g_per_L']:.3f}", f"{row['sigma']:.4f}",
            "" if relative is None else f"{100.0 * relative:.3f}", f"{row['limit_g_per_L']:.4f}",
        )  # fmt: skip
    console().print(made)
