"""A run that is served: its directory, its processes, and what the terminal is told of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from raffinate.runtime.process_status import ProcessStatus
    from raffinate.runtime.run_directory import RunDirectory, RunSettings


PROGRAMS = ("plant", "operate", "history", "web")
"""Programs with a certificate of their own, made for the run before they meet."""


def begin(settings: RunSettings, path: Path | None, browser: bool) -> None:
    """Make a run directory and run it until Ctrl+C.

    Raises:
        SpecificationError: The settings or the directory are no good.
    """
    from datetime import timedelta

    from raffinate.runtime.opcua_pki import identity
    from raffinate.runtime.run_directory import RunDirectory, default_users_file, new_run_path
    from raffinate.runtime.users import UserTable, check_exposure

    # Before anything is made: a run that may not start leaves nothing behind.
    users = Path(settings.users) if settings.users else default_users_file()
    check_exposure(settings.host, UserTable.load(users))
    run = RunDirectory.create(path or new_run_path(settings.plant), settings)
    for name in PROGRAMS:
        identity(run.pki, name, timedelta(days=settings.pki_days))
    _serve(run, browser)


def resume(path: Path, host: str, port: int, browser: bool) -> None:
    """Go on with a run until Ctrl+C.

    Raises:
        DataError: There is no run.
    """
    from raffinate.errors import SpecificationError
    from raffinate.runtime.run_directory import RunDirectory

    run = RunDirectory.open(path)
    if run.supervisor_pid is not None:
        raise SpecificationError(
            "the run is going on.",
            where=str(path),
            mend=f"Stop process {run.supervisor_pid} first.",
        )
    # Other ports than the run had: they may be taken by now.
    run = run.amended(host=host, web_port=port, plant_port=0, operate_port=0)
    _serve(run, browser)


def _serve(run: RunDirectory, browser: bool) -> None:
    from raffinate.runtime.run_directory import reachable
    from raffinate.runtime.supervisor import Supervisor

    settings = run.settings
    _check_port(settings.host, settings.web_port)
    address = f"http://{reachable(settings.host)}:{settings.web_port}"
    typer.echo(f"Run directory: {run.path}", err=True)
    code = Supervisor(run, on_change=_Teller(address, browser)).run()
    typer.echo(f"Stopped. raffinate run --resume {run.path} goes on.", err=True)
    if code:
        raise typer.Exit(code)


class _Teller:
    """Tells the terminal when a process comes up, goes down or is started again.

    Args:
        address: Of the page; told when it is served, so that nobody opens it too early.
        browser: Whether to open it then.
    """

    def __init__(self, address: str, browser: bool) -> None:
        self._address = address
        self._browser = browser
        self._served = False
        self._told: dict[str, tuple[str, int]] = {}

    def __call__(self, statuses: tuple[ProcessStatus, ...]) -> None:
        for status in statuses:
            now = (status.state, status.restarts)
            before = self._told.get(status.name)
            self._told[status.name] = now
            if status.name == "supervisor" or before == now:
                continue
            if status.name == "web" and status.state == "running" and not self._served:
                self._tell_address()
                continue
            if status.state in ("restarting", "failed"):
                typer.echo(f"{status.name}: {status.state}: {_why(status)}", err=True)
            elif status.state == "running" and status.restarts:
                typer.echo(f"{status.name}: running again", err=True)

    def _tell_address(self) -> None:
        self._served = True
        typer.echo(f"The plant is at {self._address}  (Ctrl+C stops it)", err=True)
        if self._browser:
            _open_browser(self._address)


def _why(status: ProcessStatus) -> str:
    """Return why a process has ended, as far as it told."""
    error = status.error
    if error is None:
        return f"exit code {status.last_exit}"
    parts = (error.get("where"), error.get("what"), error.get("mend"))
    return " ".join(str(part) for part in parts if part)


def _check_port(host: str, port: int) -> None:
    """Refuse a port that is taken, before any process is started."""
    import socket

    from raffinate.errors import SpecificationError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, port))
        except OSError as error:
            raise SpecificationError(
                f"port {port} cannot be used ({error.strerror}).",
                where="--port",
                mend="Choose another with --port, or 0 for any free one.",
            ) from error


def _open_browser(address: str) -> None:
    import webbrowser

    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return
    webbrowser.open(address)
