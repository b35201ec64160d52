"""Libraries that only studies need: found, or asked for by the name of the extra."""

from __future__ import annotations

from importlib.util import find_spec

from raffinate.errors import SpecificationError


def needs_extra(library: str) -> None:
    """Refuse to go on without a library of the extra `studies`.

    Raises:
        SpecificationError: It is not installed.
    """
    if find_spec(library) is None:
        raise SpecificationError(
            f"{library} is not installed.",
            where="study",
            mend="Install the extra: pip install 'raffinate[studies]'.",
        )
