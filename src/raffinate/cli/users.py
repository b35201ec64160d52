"""`raffinate users`: who may log in, and as what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raffinate.cli.common import console, failing_politely, table, to_json
from raffinate.errors import SpecificationError

if TYPE_CHECKING:
    from raffinate.runtime.users import UserTable

Name = Annotated[str, typer.Argument(help="Log-in name.")]
Role = Annotated[str, typer.Option("--role", help="viewer, operator or engineer.")]
File = Annotated[
    Path | None,
    typer.Option("--users", help="The user table; users.json of the state directory if left out."),
]


def register(app: typer.Typer) -> None:
    """Add the commands `users add`, `list`, `remove` and `set-role` to `app`."""
    users = typer.Typer(
        help="Enter, list and remove those who may log in to the page and the servers.",
        no_args_is_help=True,
    )
    users.command(name="add")(add)
    users.command(name="list")(list_users)
    users.command(name="remove")(remove)
    users.command(name="set-role")(set_role)
    app.add_typer(users, name="users")


def add(
    name: Name,
    role: Role,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    users: File = None,
) -> None:
    """Enter a user; the password is asked for twice."""
    with failing_politely():
        found = _table(users)
        from raffinate.runtime.users import check_new

        # Before the password is asked for: nobody likes to type one in vain.
        check_new(found, name, role)
        found.add(name, role, _password(password_stdin))
        found.save()
        typer.echo(f"{name} may log in as {role}.", err=True)


def list_users(
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
    users: File = None,
) -> None:
    """List the users with their roles."""
    with failing_politely(as_json=as_json):
        found = {user.name: user.role for user in _table(users)}
        if as_json:
            typer.echo(to_json({"users": found}))
            return
        if not found:
            typer.echo("There are no users: the servers stay on this machine.", err=True)
            return
        made = table("Users", "name", "role", left=2)
        for name, role in found.items():
            made.add_row(name, role)
        console().print(made)


def remove(name: Name, users: File = None) -> None:
    """Remove a user; running servers refuse the name from then on."""
    with failing_politely():
        found = _table(users)
        found.remove(name)
        found.save()
        typer.echo(f"{name} is removed.", err=True)


def set_role(name: Name, role: Role, users: File = None) -> None:
    """Give a user another role."""
    with failing_politely():
        found = _table(users)
        found.set_role(name, role)
        found.save()
        typer.echo(f"{name} is {role} now.", err=True)


def _table(path: Path | None) -> UserTable:
    from raffinate.runtime.run_directory import default_users_file
    from raffinate.runtime.users import UserTable

    return UserTable.load(path or default_users_file())


def _password(from_stdin: bool) -> str:
    if from_stdin:
        line = sys.stdin.readline()
        return line.removesuffix("\n").removesuffix("\r")
    try:
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    except typer.Abort as error:
        raise SpecificationError(
            "no password was given.",
            where="users",
            mend="Type it twice, or pipe it in with --password-stdin.",
        ) from error
    return asked
