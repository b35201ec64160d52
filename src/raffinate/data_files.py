"""Files by name or path: what ships in `raffinate.data`, or anything on the disk."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from raffinate.errors import DataError, nearest_name

_DATA = "raffinate.data"


def read_named(
    name_or_path: str | Path,
    kind: str,
    known: tuple[str, ...],
    *,
    prefix: str = "",
    ending: str = ".yaml",
) -> tuple[bytes, str]:
    """Return the content of a file, and what to call it in messages.

    Args:
        name_or_path: A bare name is looked up among what ships, anything else is a path.
        kind: What the file is, for errors: "system".
        known: The names that ship.
        prefix: Before a bare name, in the name of the shipped file.
        ending: Of the shipped file.

    Raises:
        DataError: Nothing of this name ships, and no such file can be read.
    """
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and path.name == name_or_path:
        shipped = f"{prefix}{name_or_path}{ending}"
        if (entry := files(_DATA) / shipped).is_file():
            return entry.read_bytes(), shipped
    try:
        return path.read_bytes(), str(path)
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror}), and no shipped {kind} has this name.",
            where=str(name_or_path),
            mend=nearest_name(str(name_or_path), known),
        ) from error


def shipped_names(form: str, prefix: str = "") -> tuple[str, ...]:
    """Return the names of the shipped YAML files of a form, such as "raffinate-plant/1", in order.

    Args:
        form: Value of their first key, `format`.
        prefix: What is left off each name.
    """
    first_key = f"format: {form}"
    return tuple(
        sorted(
            entry.name.removesuffix(".yaml").removeprefix(prefix)
            for entry in files(_DATA).iterdir()
            if entry.name.endswith(".yaml")
            and first_key in entry.read_text(encoding="utf-8").splitlines()
        )
    )
