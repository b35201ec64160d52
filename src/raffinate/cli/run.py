"""`raffinate run`: a plant, its analyzer, its controller and its page."""

from __future__ import annotations

import os
import sys
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
    import socket

    from raffinate.runtime.loop import PlantRun

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
    host: Annotated[str, typer.Option(help="Address of the page.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the page.", min=0, max=65535)] = 8000,
    browser: Annotated[bool, typer.Option(help="Open the page where there is a display.")] = True,
) -> None:
    """Run a virtual plant under control and watch it in the browser."""
    with failing_politely(as_json=as_json):
        _check_mode(mode)
        pace = _pace(speed, headless)
        check_ending(output, (".csv",))
        if not headless and (as_json or output is not None):
            raise SpecificationError(
                "--json and --output report a run that has ended.", mend="Add --headless."
            )
        build = _prepared(plant, seed, mode, hours, step, story, matched)
        if headless:
            _run_headless(build, as_json, output)
        else:
            _serve(build, pace, host, port, browser)


def _pace(speed: str | None, headless: bool) -> float:
    if headless and speed not in (None, "max"):
        raise SpecificationError(
            f"speed is {speed!r}.",
            where="--speed",
            allowed="max with --headless, which nobody watches",
        )
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
    from raffinate.runtime.loop import PlantRun, default_story
    from raffinate.runtime.page_messages import STARTING
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


def _serve(build: Callable[[], PlantRun], pace: float, host: str, port: int, browser: bool) -> None:
    import logging

    import uvicorn

    from raffinate.runtime.web import LiveRun, create_app

    logging.basicConfig(level=logging.WARNING)
    door = _open_door(host, port)

    def give_up() -> None:
        server.should_exit = True

    live = LiveRun(build, pace, give_up)
    server = uvicorn.Server(
        uvicorn.Config(create_app(live), log_level="warning", timeout_graceful_shutdown=1)
    )
    shown_host = f"[{host}]" if ":" in host else host
    address = f"http://{shown_host}:{door.getsockname()[1]}"
    typer.echo(f"The plant is at {address}  (Ctrl+C stops it)", err=True)
    if browser:
        _open_browser(address)
    try:
        server.run(sockets=[door])
    except KeyboardInterrupt:
        # Uvicorn has shut down in good order and raises the signal it took once more.
        typer.echo("Stopped.", err=True)
    if live.working:
        # A thread that is compiling cannot be interrupted, and aborts an orderly exit.
        sys.stderr.flush()
        os._exit(0)
    if live.run is None and live.error is not None:
        raise live.error


def _open_door(host: str, port: int) -> socket.socket:
    """Return a bound socket, so that port 0 has its number before the server runs."""
    import socket

    if host not in ("127.0.0.1", "localhost", "::1"):
        raise SpecificationError(
            f"the page has no log-in yet and cannot be served on {host}.",
            where="--host",
            allowed="127.0.0.1, localhost or ::1",
        )
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
    except OSError as error:
        door.close()
        raise SpecificationError(
            f"port {port} cannot be used ({error.strerror}).",
            where="--port",
            mend="Choose another with --port, or 0 for any free one.",
        ) from error
    return door


def _open_browser(address: str) -> None:
    import threading
    import webbrowser

    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return
    threading.Timer(1.0, webbrowser.open, args=(address,)).start()


def register(app: typer.Typer) -> None:
    """Add `run` to the command line."""
    app.command()(run)
