"""The run directory: everything of one run, its settings, secrets, rings, history and logs."""

from __future__ import annotations

import ipaddress
import json
import math
import os
import re
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from raffinate.errors import DataError, SpecificationError
from raffinate.runtime.private_files import (
    FileLock,
    check_private,
    lock_holder,
    make_private_folder,
    now_us,
    read_json,
    write_json,
)
from raffinate.runtime.tags import Role

FORMAT = "raffinate-run/1"

INTERNAL: Mapping[str, Role] = {
    "operate": "guard",
    "history": "service",
    "web": "service",
    "supervisor": "service",
}
"""Accounts of the project's own processes. Only operate's guard writes plans."""

SOURCES = ("plant", "operate")
"""Servers whose records history takes; the names of their rings and cursors."""

_PORTS = ("web_port", "plant_port", "operate_port")

Story = Literal["default", "none"] | tuple[tuple[str, str], ...]
"""Upsets of a virtual plant: the shipped story, none, or pairs of an event as `--step` takes it,
or an upset as "name@48h", with its title."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What a run was started with; every process reads it from `run.json`.

    Attributes:
        plant: A shipped plant, or the absolute path of a plant file.
        seed: Fixes mismatch and noise.
        mode: Mode of control to begin in.
        hours: Length of the run, plant hours; infinite without end.
        story: Upsets that will happen; see `Story`.
        steps: Events in place of the story, as `--step` takes them.
        speed: Plant seconds per wall second.
        matched: Make the virtual plant equal to the operator's model.
        epoch_us: UTC at plant time 0, [µs].
        host: Address all servers listen at.
        web_port: Port of the page. Port 0 becomes a free one when the run directory is made.
        plant_port: Port of the plant's OPC UA server.
        operate_port: Port of operate's OPC UA server.
        connect: Endpoint of a real plant's OPC UA server; None for a virtual plant.
        nodemap: Absolute path of the file that names its nodes.
        users: Absolute path of the user table; None for the one of the state directory.
        history_url: Database of the history; None for SQLite in the run directory.
        pki_days: Validity of the certificates made for the run, days.
    """

    plant: str
    epoch_us: int
    seed: int = 1
    mode: str = "fuzzy"
    hours: float = 720.0
    story: Story = "default"
    steps: tuple[str, ...] = ()
    speed: float = 10800.0
    matched: bool = False
    host: str = "127.0.0.1"
    web_port: int = 8000
    plant_port: int = 0
    operate_port: int = 0
    connect: str | None = None
    nodemap: str | None = None
    users: str | None = None
    history_url: str | None = None
    pki_days: int = 365

    @property
    def virtual(self) -> bool:
        """Whether the plant is simulated."""
        return self.connect is None

    @property
    def plant_endpoint(self) -> str:
        """Where the plant's OPC UA server is."""
        return self.connect or self._endpoint(self.plant_port, "plant")

    @property
    def operate_endpoint(self) -> str:
        """Where operate's OPC UA server is."""
        return self._endpoint(self.operate_port, "operate")

    def _endpoint(self, port: int, name: str) -> str:
        return f"opc.tcp://{reachable(self.host)}:{port}/raffinate/{name}/"


class _RunFile(BaseModel):
    """`run.json` as it must be; null hours are a run without end."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["raffinate-run/1"]
    plant: str
    epoch_us: int
    seed: int = Field(ge=0)
    mode: str
    hours: float | None = Field(gt=0.0)
    story: Literal["default", "none"] | list[tuple[str, str]]
    steps: list[str]
    speed: float = Field(ge=0.0, allow_inf_nan=False)
    matched: bool
    host: str
    web_port: int = Field(ge=0, le=65535)
    plant_port: int = Field(ge=0, le=65535)
    operate_port: int = Field(ge=0, le=65535)
    connect: str | None
    nodemap: str | None
    users: str | None
    history_url: str | None
    pki_days: int = Field(ge=1)

    def settings(self) -> RunSettings:
        found = self.model_dump(exclude={"format"})
        found["hours"] = math.inf if self.hours is None else self.hours
        found["steps"] = tuple(self.steps)
        if not isinstance(self.story, str):
            found["story"] = tuple(self.story)
        return RunSettings(**found)


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The directory of one run, which only its owner may enter.

    Attributes:
        path: Where it is, absolute.
        settings: What `run.json` holds.
    """

    path: Path
    settings: RunSettings

    @classmethod
    def create(cls, path: Path, settings: RunSettings) -> RunDirectory:
        """Make a run directory with its settings and fresh secrets.

        Args:
            path: Where; must not hold a run yet.
            settings: Ports that are 0 are replaced by free ones, so that all processes agree.

        Raises:
            SpecificationError: There is a run already, or a setting or the place is no good.
        """
        path = path.expanduser().absolute()
        if (path / "run.json").exists():
            raise SpecificationError(
                "it holds a run already.",
                where=str(path),
                mend=f"Go on with it by --resume {path}, or choose another directory.",
            )
        run = cls(path, _with_ports(settings))
        _check(_document(run.settings), str(run.run_file))
        try:
            for folder in run._folders():
                make_private_folder(folder)
            write_json(run.secrets_file, {name: secrets.token_urlsafe(32) for name in INTERNAL})
            # Last, because it is what makes the directory a run.
            write_json(run.run_file, _document(run.settings))
        except OSError as error:
            raise SpecificationError(
                f"a run directory cannot be made there ({error.strerror}).", where=str(path)
            ) from error
        return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Open a run directory.

        Raises:
            DataError: It holds no run, or its settings cannot be read.
        """
        path = path.expanduser().absolute()
        file = path / "run.json"
        if not file.is_file():
            raise DataError(
                "it holds no run.", where=str(path), mend="Give a directory made by raffinate run."
            )
        return cls(path, _check(read_json(file), str(file)).settings())

    def amended(self, **changes: Any) -> RunDirectory:
        """Change settings, on disk as well, and return the directory with them.

        Raises:
            SpecificationError: A setting is not as it must be.
        """
        settings = _with_ports(replace(self.settings, **changes))
        _check(_document(settings), str(self.run_file))
        write_json(self.run_file, _document(settings))
        return replace(self, settings=settings)

    def secrets(self) -> dict[str, str]:
        """Return the password of each internal account.

        Raises:
            DataError: The file is missing or is not as it was written.
            SpecificationError: Others may read it.
        """
        found = read_json(self.secrets_file)
        check_private(self.secrets_file)
        if set(found) != set(INTERNAL) or not all(isinstance(v, str) for v in found.values()):
            raise DataError(
                "it does not hold the secrets of this run.", where=str(self.secrets_file)
            )
        return found

    def internal_accounts(self) -> dict[str, tuple[str, Role]]:
        """Return password and role of each internal account."""
        return {name: (password, INTERNAL[name]) for name, password in self.secrets().items()}

    def lock(self) -> FileLock:
        """Return the lock that lets one supervisor run this directory."""
        return FileLock(self.path / "supervisor.lock", f"run {self.path.name}")

    @property
    def supervisor_pid(self) -> int | None:
        """Process that supervises the run now; None where none does."""
        return lock_holder(self.path / "supervisor.lock")

    @property
    def run_file(self) -> Path:
        """`run.json`, the settings."""
        return self.path / "run.json"

    @property
    def secrets_file(self) -> Path:
        """Passwords of the internal accounts."""
        return self.path / "secrets.json"

    @property
    def users_file(self) -> Path:
        """The user table, which runs share."""
        return Path(self.settings.users) if self.settings.users else default_users_file()

    @property
    def pki(self) -> Path:
        """Folder of certificates and keys."""
        return self.path / "pki"

    @property
    def history_file(self) -> Path:
        """The database of the history, where it is SQLite."""
        return self.path / "history.sqlite"

    @property
    def history_url(self) -> str:
        """What `open_historian` takes."""
        return self.settings.history_url or str(self.history_file)

    @property
    def archive(self) -> Path:
        """Folder of the nightly archive."""
        return self.path / "archive"

    def ring(self, source: str) -> Path:
        """Return the folder of the ring of a server, "plant" or "operate"."""
        return self.path / "ring" / source

    def checkpoint(self, process: str) -> Path:
        """Return the checkpoint of "twin" or "operate"."""
        return self.path / "checkpoint" / f"{process}.bin"

    def audit_file(self, source: str) -> Path:
        """Return the audit trail of "plant", "operate" or "web"; each has one writer."""
        return self.path / f"audit-{source}.jsonl"

    def audit_files(self) -> tuple[Path, ...]:
        """Return the audit trails that exist."""
        return tuple(sorted(self.path.glob("audit-*.jsonl")))

    def status_file(self, process: str) -> Path:
        """Return the file in which a process tells how it is."""
        return self.path / "status" / f"{process}.json"

    def log_file(self, process: str) -> Path:
        """Return the file a process's output goes to."""
        return self.path / "log" / f"{process}.log"

    def _folders(self) -> tuple[Path, ...]:
        below = ("pki", "checkpoint", "status", "log", "archive")
        rings = tuple(self.ring(source) for source in SOURCES)
        return (self.path, *(self.path / name for name in below), *rings)


def reachable(host: str) -> str:
    """Return the address by which this machine's processes reach a server listening at `host`."""
    if host in ("", "0.0.0.0"):
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Return whether a server listening at `host` is seen by this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def free_port(host: str) -> int:
    """Return a TCP port that nothing listens at.

    Raises:
        SpecificationError: The address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as door:
        try:
            door.bind((host, 0))
        except OSError as error:
            raise SpecificationError(
                f"nothing can listen at {host!r} ({error.strerror}).", where="--host"
            ) from error
        port: int = door.getsockname()[1]
    return port


def default_state_dir() -> Path:
    """Return where runs and the user table are kept.

    `RAFFINATE_STATE_DIR`, or else the place of the system: `raffinate` below `XDG_STATE_HOME` or
    `~/.local/state`, below `~/Library/Application Support` on macOS, below `%LOCALAPPDATA%` on
    Windows. Source: XDG Base Directory Specification 0.8, by which a relative path is ignored.
    """
    own = os.environ.get("RAFFINATE_STATE_DIR")
    if own:
        return Path(own).expanduser().absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(base) / "raffinate"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "raffinate"
    told = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (told if told.is_absolute() else Path.home() / ".local" / "state") / "raffinate"


def default_users_file() -> Path:
    """Return the user table that is used where none is named."""
    return default_state_dir() / "users.json"


def new_run_path(plant: str, *, wall_us: int | None = None) -> Path:
    """Return a directory below the state directory that no run has yet.

    Args:
        plant: Name or path of the plant; part of the name.
        wall_us: UTC, [µs]; now if left out.
    """
    wall = datetime.fromtimestamp((now_us() if wall_us is None else wall_us) / 1e6, tz=UTC)
    word = re.sub(r"[^A-Za-z0-9_]+", "-", Path(plant).stem).strip("-") or "plant"
    name = f"{wall:%Y%m%dT%H%M%SZ}-{word}"
    runs = default_state_dir() / "runs"
    path, count = runs / name, 1
    while path.exists():
        count += 1
        path = runs / f"{name}-{count}"
    return path


def latest_run() -> RunDirectory | None:
    """Return the run that is supervised now, or else the one begun last; None without any."""
    found = sorted((default_state_dir() / "runs").glob("*/run.json"), reverse=True)
    live = [file for file in found if lock_holder(file.parent / "supervisor.lock")]
    for file in (*live, *found):
        return RunDirectory.open(file.parent)
    return None


def find_run(path: Path | None) -> RunDirectory:
    """Return the run a command means: the one named, or the latest.

    Raises:
        DataError: There is none.
    """
    run = RunDirectory.open(path) if path is not None else latest_run()
    if run is None:
        raise DataError(
            "there is no run yet.",
            where=str(default_state_dir() / "runs"),
            mend="Start one with raffinate run, or name the directory of one.",
        )
    return run


def _with_ports(settings: RunSettings) -> RunSettings:
    ports = {name: getattr(settings, name) for name in _PORTS}
    for name in _PORTS:
        while ports[name] == 0:
            port = free_port(settings.host)
            if port not in ports.values():
                ports[name] = port
    if len(set(ports.values())) < len(ports):
        listed = ", ".join(f"{name} {port}" for name, port in ports.items())
        raise SpecificationError(f"two servers share a port: {listed}.", where="ports")
    return replace(settings, **ports)


def _document(settings: RunSettings) -> dict[str, Any]:
    found = asdict(settings)
    found["hours"] = None if settings.hours == math.inf else settings.hours
    found["steps"] = list(settings.steps)
    if not isinstance(settings.story, str):
        found["story"] = [list(pair) for pair in settings.story]
    return {"format": FORMAT, **found}


def _check(document: Mapping[str, Any], where: str) -> _RunFile:
    try:
        # As JSON, because strict pydantic takes a list for a tuple only there.
        return _RunFile.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SpecificationError(f"{first['msg']}.", where=f"{where}: {place}") from error
