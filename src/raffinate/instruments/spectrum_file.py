"""Spectrum files of any kind known here, told apart by what they hold and not by their ending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from raffinate.errors import DataError, SpecificationError
from raffinate.instruments.spectrum import Flag, Spectrum
from raffinate.instruments.spectrum_checks import check_spectrum
from raffinate.instruments.spectrum_file_amptek import is_amptek, read_amptek
from raffinate.instruments.spectrum_file_bruker import is_xml, read_bruker
from raffinate.instruments.spectrum_file_emsa import is_emsa, read_emsa
from raffinate.instruments.spectrum_file_parts import decode
from raffinate.instruments.spectrum_file_spe import is_spe, read_spe
from raffinate.instruments.spectrum_file_spec import is_spec, read_spec
from raffinate.instruments.spectrum_file_table import SpectrumColumns, read_table

LARGEST_FILE = 16 * 2**20
"""[byte]. A spectrum of 65536 channels with energies takes less than 2 MB."""

Reader = Callable[[str, str], tuple[Spectrum, ...]]

_READERS: tuple[tuple[Callable[[str], bool], Reader], ...] = (
    (is_xml, read_bruker),
    (is_emsa, read_emsa),
    (is_amptek, read_amptek),
    (is_spe, read_spe),
    (is_spec, read_spec),
)


def load_spectrum(
    path: str | Path, *, which: int | None = None, columns: SpectrumColumns | None = None
) -> Spectrum:
    """Read a spectrum from a file, of whatever kind `parse_spectrum` knows.

    Args:
        path: The file.
        which: Of several detectors or spectra in it, counted from 1; the first if left out.
        columns: What the columns of a table hold, where its headings do not say.

    Raises:
        DataError: The file cannot be read as a spectrum.
        SpecificationError: It holds no such detector, spectrum or column.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot be read ({reason}).", where=str(path)) from error
    return parse_spectrum(content, where=file.name, which=which, columns=columns)


def parse_spectrum(
    content: bytes | str,
    *,
    where: str = "spectrum",
    which: int | None = None,
    columns: SpectrumColumns | None = None,
) -> Spectrum:
    """Read a spectrum from the bytes or the text of a file.

    Known are EMSA/MAS (.msa), Bruker XML (.spx), Amptek (.mca), $-sections (.spe), SPEC files with
    @A lines, and tables (CSV and the like). What is doubtful is flagged; see `Flag`.

    Args:
        content: The file.
        where: Its name, for messages.
        which: Of several detectors or spectra in it, counted from 1; the first if left out.
        columns: What the columns of a table hold, where its headings do not say.

    Raises:
        DataError: It cannot be read as a spectrum, or holds none: cut off, empty, all zero,
            energies that fall or do not rise in equal steps, units that are not known.
        SpecificationError: It holds no such detector, spectrum or column.
    """
    found = _read(content, where, columns)
    chosen = 1 if which is None else which
    if not 1 <= chosen <= len(found):
        raise SpecificationError(
            f"number {chosen} is asked for, and the file holds {len(found)}.",
            where=where,
            allowed=f"1 to {len(found)}",
        )
    spectrum = found[chosen - 1]
    if which is None and len(found) > 1:
        text = f"the file holds {len(found)} detectors or spectra; the first was read"
        flag = Flag(name="one_of_several", text=text)
        spectrum = replace(spectrum, flags=(*spectrum.flags, flag))
    return check_spectrum(spectrum)


def count_spectra(content: bytes | str, *, where: str = "spectrum") -> int:
    """Return how many detectors or spectra a file holds.

    Raises:
        DataError: It cannot be read.
    """
    return len(_read(content, where, None))


def _read(
    content: bytes | str, where: str, columns: SpectrumColumns | None
) -> tuple[Spectrum, ...]:
    if len(content) > LARGEST_FILE:
        raise DataError(
            f"the file is larger than {LARGEST_FILE // 2**20} MB, no single spectrum.",
            where=where,
            mend="Export one spectrum, not a map or a series.",
        )
    text = decode(content, where) if isinstance(content, bytes) else decode(
        content.encode("utf-8", "surrogatepass"), where)  # fmt: skip
    if not text.strip():
        raise DataError("the file is empty.", where=where, mend="Export it again.")
    if columns is not None:
        return read_table(text, where, columns)
    for fits, read in _READERS:
        if fits(text):
            return read(text, where)
    return read_table(text, where)
