"""The user table: who may do what, shared by the OPC UA servers and the web page."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from raffinate.errors import DataError, SpecificationError, nearest_name
from raffinate.runtime.private_files import (
    check_private,
    make_private_folder,
    read_json,
    write_json,
)
from raffinate.runtime.run_directory import INTERNAL, is_loopback

UserRole = Literal["viewer", "operator", "engineer"]
"""Roles of people, each with the rights of those before it."""

USER_ROLES: tuple[UserRole, ...] = get_args(UserRole)

COST = (2**15, 8, 3)
"""n, r, p of scrypt: 32 MiB and some 0.3 s of a core for one guess. Source: OWASP Password Storage
Cheat Sheet, which holds this choice equal to (2¹⁷, 8, 1) of 128 MiB; the smaller memory keeps a
burst of log-ins from starving the plant's own processes."""

PASSWORD_LENGTH = (12, 1024)
"""Shortest and longest password. Source: NIST SP 800-63B, 5.1.1.2 asks for 8 at least and no rules
of composition; 12 is assumed here, because these passwords move a plant."""

RESERVED = frozenset({*INTERNAL, "twin", "local", "anonymous", "guard", "service"})
"""Names that stand for programs in the audit trail."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One row of the table.

    Attributes:
        name: Log-in name.
        role: What the user may do.
        salt: Random, of this user alone.
        digest: scrypt of the password with the salt.
        cost: n, r, p it was made with.
    """

    name: str
    role: UserRole
    salt: bytes
    digest: bytes
    cost: tuple[int, int, int]


_Hex = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){16,64}$")]


class _UserRow(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    role: UserRole
    n: int = Field(ge=2**14, le=2**20)
    r: int = Field(ge=8, le=32)
    p: int = Field(ge=1, le=16)
    salt: _Hex
    digest: _Hex


class _UserFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["raffinate-users/1"]
    users: dict[str, _UserRow]


class UserTable:
    """Names, roles and password hashes, kept in one file.

    A table asked for a user looks first whether its file has changed, so that a user who is
    removed is refused at once by every running server. A file that can no longer be read lets
    nobody in.

    Args:
        path: The file; nobody is known while it does not exist.

    Raises:
        DataError: The file is no user table.
        SpecificationError: Others may read or write it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._users: dict[str, User] = {}
        self._seen = _signature(path)
        self._broken = self._entered = False
        # Unknown names are checked against this, so that they cost the same time.
        self._nobody = User(
            name="", role="viewer", salt=secrets.token_bytes(16), digest=b"", cost=COST
        )
        if self._seen is not None:
            self._users = _read(path)
            self._entered = bool(self._users)

    @classmethod
    def load(cls, path: Path) -> UserTable:
        """Read a table; one that does not exist yet is empty.

        Raises:
            DataError: The file is no user table.
            SpecificationError: Others may read or write it.
        """
        return cls(path)

    @property
    def empty(self) -> bool:
        """Whether no user was ever entered.

        A table that cannot be read is not empty, nor is one whose last user has gone: a server
        that others can reach must not open its doors to all of them.
        """
        self.refresh()
        return not (self._users or self._entered or self._broken)

    def __iter__(self) -> Iterator[User]:
        return iter(sorted(self._users.values(), key=lambda user: user.name))

    def refresh(self) -> None:
        """Read the file again if it has changed."""
        signature = _signature(self.path)
        if signature == self._seen:
            return
        self._seen = signature
        try:
            # A table that vanishes under a running server must not open its doors.
            self._broken = signature is None
            self._users = _read(self.path) if signature is not None else {}
            self._entered = self._entered or bool(self._users)
        except (DataError, SpecificationError, OSError):
            self._users, self._broken = {}, True

    def role_of(self, name: str) -> UserRole | None:
        """Return the role of a user; None for an unknown name."""
        self.refresh()
        user = self._users.get(name)
        return user.role if user is not None else None

    def verify(self, name: str, password: str) -> UserRole | None:
        """Return the role of a user if the password is right, else None.

        It takes some 0.3 s of a core by design, as long for an unknown name as for a known one,
        so an event loop calls it in a thread (`asyncio.to_thread`); it lets other threads run.
        """
        self.refresh()
        user = self._users.get(name)
        checked = user or self._nobody
        if len(password) > PASSWORD_LENGTH[1]:
            password, user = "", None
        digest = _scrypt(password, checked.salt, checked.cost)
        right = hmac.compare_digest(digest, checked.digest)
        return user.role if user is not None and right else None

    def add(self, name: str, role: str, password: str) -> None:
        """Enter a user.

        Raises:
            SpecificationError: Name, role or password will not do, or the name is taken.
        """
        known = check_new(self, name, role)
        check_password(name, password)
        self._users[name] = _hashed(name, known, password)

    def remove(self, name: str) -> None:
        """Strike a user out.

        Raises:
            SpecificationError: There is none of this name.
        """
        self._known(name)
        del self._users[name]

    def set_role(self, name: str, role: str) -> None:
        """Give a user another role.

        Raises:
            SpecificationError: There is none of this name, or no such role.
        """
        self._users[name] = replace(self._known(name), role=_role(role))

    def save(self) -> None:
        """Write the table in one step, readable by its owner alone.

        Raises:
            SpecificationError: The file has changed since it was read.
        """
        if _signature(self.path) != self._seen:
            raise SpecificationError(
                "it was changed by someone else meanwhile.",
                where=str(self.path),
                mend="Give the command once more.",
            )
        make_private_folder(self.path.parent)
        rows = {user.name: _row(user).model_dump() for user in self}
        write_json(self.path, {"format": "raffinate-users/1", "users": rows})
        self._seen = _signature(self.path)

    def _known(self, name: str) -> User:
        if name not in self._users:
            names = sorted(self._users)
            raise SpecificationError(
                f"there is no user {name!r}.",
                where="users",
                mend=nearest_name(name, names)
                if names
                else "Enter users with raffinate users add.",
            )
        return self._users[name]


class LoginLimiter:
    """Makes guessing slow: after a few failures each further one doubles the wait.

    Failures count per name at an address, per address, and per name. The last allows many and
    waits little, so that nobody can lock an operator out from elsewhere for long.

    Args:
        clock: Monotonic, [s].
    """

    RULES = (("pair", 3, 300.0), ("address", 20, 300.0), ("name", 20, 10.0))
    """Kind of key, failures without a wait, longest wait [s]. Assumed."""
    FORGOTTEN = 900.0
    """Time after which failures no longer count, [s]. Assumed."""
    MOST = 10_000
    """Keys remembered at once; an attacker must not fill the memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[tuple[str, str, str], tuple[int, float]] = {}

    def wait(self, name: str, address: str) -> float:
        """Return how long this name at this address has to wait, [s]; 0 if it may try."""
        now = self._clock()
        waits = [0.0]
        for kind, free, longest in self.RULES:
            count, last = self._failures.get(_key(kind, name, address), (0, now))
            if count > free and now - last < self.FORGOTTEN:
                # Beyond 2^10 the longest wait rules anyway, and powers would overflow.
                waits.append(min(longest, 2.0 ** min(count - free - 1, 10)) - (now - last))
        return max(waits)

    def failed(self, name: str, address: str) -> None:
        """Count a failure."""
        now = self._clock()
        for kind, _, _ in self.RULES:
            key = _key(kind, name, address)
            count, last = self._failures.pop(key, (0, now))
            fresh = now - last < self.FORGOTTEN
            # Put at the end: the first entries of the table are the oldest.
            self._failures[key] = ((count if fresh else 0) + 1, now)
        while len(self._failures) > self.MOST:
            del self._failures[next(iter(self._failures))]

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of this name at this address."""
        self._failures.pop(_key("pair", name, address), None)


def check_exposure(host: str, users: UserTable, where: str = "--host") -> None:
    """Refuse to serve beyond this machine before there are secrets.

    Args:
        host: Address a server will listen at.
        users: Who may log in.
        where: Option or setting the host came from, for the error.

    Raises:
        SpecificationError: `host` is not loopback and the table has no engineer.
    """
    if is_loopback(host) or any(user.role == "engineer" for user in users):
        return
    raise SpecificationError(
        f"{host!r} can be reached from other machines, but no engineer has a password.",
        where=where,
        allowed="127.0.0.1, localhost or ::1 without users",
        mend="Enter one first: raffinate users add NAME --role engineer.",
    )


def check_new(table: UserTable, name: str, role: str) -> UserRole:
    """Return the role of a user who may be entered.

    Raises:
        SpecificationError: Name or role will not do, or the name is taken.
    """
    _check_name(name)
    if any(user.name == name for user in table):
        raise SpecificationError(
            f"user {name!r} exists already.",
            where="users",
            mend="Remove the user first, or change the role with set-role.",
        )
    return _role(role)


def check_password(name: str, password: str) -> None:
    """Refuse a password that is too short, too long, or made of the name.

    Raises:
        SpecificationError: It will not do.
    """
    low, high = PASSWORD_LENGTH
    if not low <= len(password) <= high:
        raise SpecificationError(
            f"the password has {len(password)} characters.",
            where="users",
            allowed=f"{low} to {high} characters of any kind",
            mend="A sentence is easy to keep in mind.",
        )
    if password.casefold().strip("0123456789") == name.casefold() or len(set(password)) < 4:
        raise SpecificationError(
            "the password is the name, or repeats a few characters.",
            where="users",
            mend="A sentence is easy to keep in mind.",
        )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise SpecificationError(
            f"{name!r} is no name.",
            where="users",
            allowed="1 to 32 letters, digits, dots, dashes and underscores, a letter first",
        )
    if name.casefold() in RESERVED:
        raise SpecificationError(
            f"{name!r} stands for one of the programs.", where="users", mend="Choose another name."
        )


def _role(role: str) -> UserRole:
    for known in USER_ROLES:
        if role == known:
            return known
    raise SpecificationError(
        f"{role!r} is no role of a person.", where="users", allowed=", ".join(USER_ROLES)
    )


def _key(kind: str, name: str, address: str) -> tuple[str, str, str]:
    return (kind, name if kind != "address" else "", address if kind != "name" else "")


def _scrypt(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    n, r, p = cost
    # OpenSSL refuses more memory than it is told; it needs 128·n·r and a little per p.
    memory = 128 * r * (n + p) + 2**20
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, maxmem=memory
    )


def _hashed(name: str, role: UserRole, password: str) -> User:
    salt = secrets.token_bytes(16)
    return User(name=name, role=role, salt=salt, digest=_scrypt(password, salt, COST), cost=COST)


def _row(user: User) -> _UserRow:
    n, r, p = user.cost
    return _UserRow(role=user.role, n=n, r=r, p=p, salt=user.salt.hex(), digest=user.digest.hex())


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _read(path: Path) -> dict[str, User]:
    check_private(path)
    try:
        file = _UserFile.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{place}: {first['msg']}.", where=str(path)) from error
    return {
        name: User(
            name=name,
            role=row.role,
            salt=bytes.fromhex(row.salt),
            digest=bytes.fromhex(row.digest),
            cost=(row.n, row.r, row.p),
        )
        for name, row in file.users.items()
    }
