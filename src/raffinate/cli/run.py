"""`raffinate run`: a plant, its analyzer, its controller and its page."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import (
    check_ending,
    console,
    failing_politely,
    progress,
    table,
    to_json,
    write_output,
)
from raffinate.errors import SpecificationError, nearest_name

if TYPE_CHECKING:
    from raffinate.runtime.loop import PlantRun
    from raffinate.runtime.run_directory import RunSettings

PAGE_SPEED = "10800"
"""Plant seconds per wall second of a run that is watched: thirty days in four minutes."""

FULL_SPEED = 1e9
"""What `--speed max` means, in plant seconds per wall second."""


def run(
    plant: Annotated[str, typer.Argument(help="A shipped plant or a plant file.")] = "ceprnd_p507",
    hours: Annotated[float, typer.Option(help="Length of the run, plant hours.", min=1.0)] = 720.0,
    seed: Annotated[int, typer.Option(help="Fixes mismatch and noise.", min=0)] = 1,
    mode: Annotated[str, typer.Option(help="manual, ratio or fuzzy.")] = "fuzzy",
    speed: Annotated[
        str | None,
        typer.Option(help=f"Plant seconds per wall second, or max; {PAGE_SPEED} with a page."),
    ] = None,
    headless: Annotated[bool, typer.Option(help="No page: run to the end and report.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Summary as JSON.")] = False,
    step: Annotated[
        list[str] | None, typer.Option(help="An event instead of the story; may be repeated.")
    ] = None,
    story: Annotated[bool, typer.Option(help="Let the default upsets happen.")] = True,
    matched: Annotated[bool, typer.Option(help="Make the plant equal to its model.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write the history as CSV.")] = None,
    host: Annotated[str, typer.Option(help="Address of all servers.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the page.", min=0, max=65535)] = 8000,
    browser: Annotated[bool, typer.Option(help="Open the page where there is a display.")] = True,
    connect: Annotated[
        str | None, typer.Option(help="A real plant: opc.tcp://HOST:PORT; needs --nodemap.")
    ] = None,
    nodemap: Annotated[
        str | None, typer.Option(help="File that names the nodes of the plant's server.")
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Directory of the run; a new one if left out.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the run in this directory.")
    ] = None,
    users: Annotated[Path | None, typer.Option(help="User table instead of the usual.")] = None,
    history: Annotated[
        str | None, typer.Option(help="Database of the history, postgresql://…; SQLite if none.")
    ] = None,
) -> None:
    """Run a plant under control and watch it in the browser."""
    with failing_politely(as_json=as_json):
        _check_mode(mode)
        check_ending(output, (".csv",))
        if headless:
            _check_headless(speed, connect, run_dir, resume, users, history)
            build = _prepared(plant, seed, mode, hours, step, story, matched)
            _run_headless(build, as_json, output)
            return
        if as_json or output is not None:
            raise SpecificationError(
                "--json and --output report a run that has ended.", mend="Add --headless."
            )
        from raffinate.cli import run_served

        if resume is not None:
            run_served.resume(resume, host, port, browser)
            return
        _check_plant(connect, nodemap, step, matched, speed)
        settings = _settings(
            plant=plant,
            seed=seed,
            mode=mode,
            hours=math.inf if connect else hours,
            story="default" if story and not connect else "none",
            steps=tuple(step or ()),
            speed=1.0 if connect else _pace(speed),
            matched=matched,
            host=host,
            web_port=port,
            connect=connect,
            nodemap=nodemap,
            users=None if users is None else str(users.expanduser().absolute()),
            history_url=history,
        )
        run_served.begin(settings, run_dir, browser)


def _check_headless(speed: str | None, *served: object) -> None:
    if speed not in (None, "max"):
        raise SpecificationError(
            f"speed is {speed!r}.",
            where="--speed",
            allowed="max with --headless, which nobody watches",
        )
    if any(option is not None for option in served):
        raise SpecificationError(
            "--connect, --run-dir, --resume, --users and --history belong to a run that is served.",
            where="--headless",
            mend="Leave out --headless.",
        )


def _check_plant(
    connect: str | None,
    nodemap: str | None,
    steps: list[str] | None,
    matched: bool,
    speed: str | None,
) -> None:
    if (connect is None) != (nodemap is None):
        raise SpecificationError(
            "a real plant needs both its address and the names of its nodes.",
            where="--connect, --nodemap",
            mend="Give both, or neither for a virtual plant.",
        )
    if connect is not None and (steps or matched or speed is not None):
        raise SpecificationError(
            "--step, --matched and --speed are for a virtual plant.", where="--connect"
        )


def _settings(**given: Any) -> RunSettings:
    """Return the settings of a run, with everything they name read once, to be refused now."""
    from raffinate.plant.plant_file import load_plant
    from raffinate.runtime.nodemap_file import load_nodemap
    from raffinate.runtime.run_directory import RunSettings
    from raffinate.runtime.story import events_of

    plant = load_plant(given["plant"])
    given |= {name: _absolute(given[name]) for name in ("plant", "nodemap")}
    settings = RunSettings(epoch_us=time.time_ns() // 1000, **given)
    events_of(settings, plant.circuit.elements)
    if settings.nodemap is not None:
        found = load_nodemap(settings.nodemap)
        found.check(plant)
        found.endpoint_or_error(settings.connect or "")
        _check_password(found.user)
    return settings


def _check_password(user: str) -> None:
    """Refuse to knock at a plant's server without a password, which may lock the account."""
    from raffinate.runtime.operate_link import PASSWORD, plant_password

    if user and not plant_password():
        raise SpecificationError(
            f"there is no password for {user}, who logs in at the plant.",
            where="--nodemap",
            mend=f"Set the environment variable {PASSWORD}.",
        )


def _absolute(given: str | None) -> str | None:
    """Return a file by its absolute path, as processes start elsewhere; a shipped name stays."""
    if given is not None and Path(given).is_file():
        return str(Path(given).absolute())
    return given


def _pace(speed: str | None) -> float:
    speed = speed or PAGE_SPEED
    if speed == "max":
        return FULL_SPEED
    try:
        pace = float(speed)
    except ValueError:
        pace = -1.0
    if not 0.0 < pace < float("inf"):
        raise SpecificationError(
            f"{speed!r} is no speed.", where="--speed", allowed="a number above 0, or max"
        )
    return pace


def _check_mode(mode: str) -> None:
    modes = ("manual", "ratio", "fuzzy")
    if mode not in modes:
        raise SpecificationError(
            f"{mode!r} is no mode.", where="--mode", mend=nearest_name(mode, modes)
        )


def _prepared(
    plant: str,
    seed: int,
    mode: str,
    hours: float,
    steps: list[str] | None,
    story: bool,
    matched: bool,
) -> Callable[[], PlantRun]:
    """Read plant and events now, so that they are refused at once, and return what builds."""
    from raffinate.plant.events import parse_event
    from raffinate.plant.plant_file import load_plant
    from raffinate.runtime.loop import PlantRun
    from raffinate.runtime.messages import STARTING
    from raffinate.runtime.story import default_story
    from raffinate.units import HOUR

    loaded = load_plant(plant)
    happening = default_story() if story else ()
    if steps:
        happening = tuple((parse_event(text, loaded.circuit.elements), text) for text in steps)

    def build() -> PlantRun:
        typer.echo(STARTING, err=True)
        run = PlantRun(
            loaded, seed=seed, mode=mode, duration=hours * HOUR, story=happening, matched=matched
        )
        # Compiled here, while pages are told to wait, and not under the lock of the first period.
        run.twin.prepare()
        return run

    return build


def _run_headless(build: Callable[[], PlantRun], as_json: bool, output: Path | None) -> None:
    from raffinate.runtime.messages import CONTROL_PERIOD

    begun = time.perf_counter()
    plant_run = build()
    with progress("Running", round(plant_run.duration / CONTROL_PERIOD)) as advance:
        summary = plant_run.run_to_end(advance)
    summary["wall_s"] = round(time.perf_counter() - begun, 2)
    write_output(
        output, {".csv": lambda path: plant_run.history.to_dataframe().to_csv(path, index=False)}
    )
    if as_json:
        typer.echo(to_json(summary))
    else:
        _print_summary(summary)


def _print_summary(summary: dict[str, Any]) -> None:
    shown = table(
        f"{summary['plant']}, {summary['plant_hours']:.0f} h, seed {summary['seed']}",
        "product",
        "purity, %",
        "recovery, %",
        "off-spec, t REO",
        "off-spec, h",
        "first, h",
        "lots off",
    )
    for name, product in summary["products"].items():
        first, recovery = product["hours_to_off_spec"], product["recovery"]
        shown.add_row(
            name,
            f"{product['mean_purity']:.4%}".rstrip("%"),
            "" if recovery is None else f"{100.0 * recovery:.3f}",
            f"{product['off_spec_t']:.2f}",
            f"{product['off_spec_h']:.1f}",
            "never" if first is None else f"{first:.1f}",
            f"{product['lots_off_spec']} of {product['lots']}",
        )
    console().print(shown)
    used = ", ".join(f"{v:.3f} t {k}" for k, v in summary["reagents_per_t_reo"].items())
    modes = ", ".join(f"{m['mode']} from {m['from_h']:.0f} h" for m in summary["modes"])
    console().print(
        f"Reagents per t REO: {used}. Modes: {modes}. Alarms: {summary['alarms']}. "
        f"Worst metal imbalance {summary['balance_error']:.1e}. Wall {summary['wall_s']:.1f} s."
    )


def register(app: typer.Typer) -> None:
    """Add `run` to the command line."""
    app.command()(run)
