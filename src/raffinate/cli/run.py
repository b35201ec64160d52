"""`raffinate run`: a plant, its analyzer, its controller and its page."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import console, failing_politely, progress

if TYPE_CHECKING:
    from raffinate.runtime.loop import PlantRun


def run(
    plant: Annotated[str, typer.Argument(help="A shipped plant or a plant file.")] = "ceprnd_p507",
    hours: Annotated[float, typer.Option(help="Length of the run, plant hours.", min=1.0)] = 720.0,
    seed: Annotated[int, typer.Option(help="Fixes mismatch and noise.", min=0)] = 1,
    mode: Annotated[str, typer.Option(help="manual, ratio or fuzzy.")] = "fuzzy",
    speed: Annotated[
        str, typer.Option(help="Plant seconds per wall second, or max.")
    ] = "10800",
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
        pace = _pace(speed)
        _check_mode(mode)

        def build() -> PlantRun:
            return _build(plant, seed, mode, hours, step, story, matched)

        if headless:
            _run_headless(build(), as_json, output)
        else:
            _serve(build, pace, host, port, browser)


def _pace(speed: str) -> float:
    from raffinate.errors import SpecificationError

    if speed == "max":
        return 1e9
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
    from raffinate.errors import SpecificationError, nearest_name

    modes = ("manual", "ratio", "fuzzy")
    if mode not in modes:
        raise SpecificationError(
            f"{mode!r} is no mode.", where="--mode", mend=nearest_name(mode, modes)
        )


def _build(
    plant: str,
    seed: int,
    mode: str,
    hours: float,
    steps: list[str] | None,
    story: bool,
    matched: bool,
) -> PlantRun:
    from raffinate.plant.events import parse_event
    from raffinate.plant.plant_file import load_plant
    from raffinate.runtime.loop import PlantRun, default_story

    loaded = load_plant(plant)
    if steps:
        happening = tuple(
            (parse_event(text, loaded.circuit.elements), text) for text in steps
        )
    else:
        happening = default_story() if story else ()
    return PlantRun(
        loaded, seed=seed, mode=mode, duration=hours * 3600.0, story=happening, matched=matched
    )


def _run_headless(run: PlantRun, as_json: bool, output: Path | None) -> None:
    from raffinate.runtime.messages import CONTROL_PERIOD

    begun = time.perf_counter()
    with progress("Running", round(run.duration / CONTROL_PERIOD)) as advance:
        summary = run.run_to_end(advance)
    summary["wall_s"] = round(time.perf_counter() - begun, 2)
    if output is not None:
        run.history.to_dataframe().to_csv(output, index=False)
    if as_json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        _print_summary(summary)


def _print_summary(summary: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(title=f"{summary['plant']}, {summary['plant_hours']:.0f} h, seed {summary['seed']}")
    for heading in (
        "Product", "Mean purity %", "Recovery %", "Off-spec t REO", "Off-spec h",
        "First off-spec h", "Lots", "Lots off-spec",
    ):
        table.add_column(heading, justify="left" if heading == "Product" else "right")
    for name, product in summary["products"].items():
        first = product["hours_to_off_spec"]
        table.add_row(
            name, f"{product['mean_purity'] * 100:.4f}", f"{product['recovery'] * 100:.3f}",
            f"{product['off_spec_t']:.2f}", f"{product['off_spec_h']:.1f}",
            "never" if first is None else f"{first:.1f}",
            str(product["lots"]), str(product["lots_off_spec"]),
        )
    console().print(table)
    used = ", ".join(f"{v:.3f} t {k}" for k, v in summary["reagents_per_t_reo"].items())
    modes = ", ".join(f"{m['mode']} from {m['from_h']:.0f} h" for m in summary["modes"])
    console().print(
        f"Reagents per t REO: {used}. Modes: {modes}. Alarms: {summary['alarms']}. "
        f"Worst metal imbalance {summary['balance_error']:.1e}. Wall {summary['wall_s']:.1f} s."
    )


def _serve(build: Any, pace: float, host: str, port: int, browser: bool) -> None:
    import logging
    import socket

    import uvicorn

    from raffinate.errors import SpecificationError
    from raffinate.runtime.web import LiveRun, create_app

    logging.basicConfig(level=logging.WARNING)
    if host not in ("127.0.0.1", "localhost", "::1"):
        raise SpecificationError(
            f"the page has no log-in yet and cannot be served on {host}.", where="--host",
            allowed="127.0.0.1, localhost or ::1",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
    except OSError as error:
        raise SpecificationError(
            f"port {port} cannot be used ({error.strerror}).", where="--port",
            mend="Choose another with --port, or 0 for any free one.",
        ) from error
    address = f"http://{host}:{door.getsockname()[1]}"
    live = LiveRun(build, pace)
    server = uvicorn.Server(
        uvicorn.Config(create_app(live), log_level="warning", timeout_graceful_shutdown=2)
    )
    typer.echo(f"The plant is at {address}  (Ctrl+C stops it)", err=True)
    if browser:
        _open_browser(address)
    server.run(sockets=[door])


def _open_browser(address: str) -> None:
    import os
    import sys
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
