"""The folder of a study's results: parts while it runs, one Parquet file in the end."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raffinate.errors import DataError, SpecificationError
from raffinate.studies.extras import needs_extra
from raffinate.studies.solve_case import ERROR, ERROR_KIND, Row

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "raffinate-study-results/1"
MANIFEST = "manifest.json"
RESULTS = "results.parquet"
STUDY_COPY = "study.yaml"
PARTS = "parts"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFolder:
    """Where the results of one study lie.

    Attributes:
        path: The folder; it has a manifest.
    """

    path: Path

    @property
    def results(self) -> Path:
        """The file with every case done so far, once a run has ended."""
        return self.path / RESULTS

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows as a part that is whole or not there.

        Raises:
            SpecificationError: It cannot be written.
        """
        if rows:
            first = min(int(row["case"]) for row in rows)
            name = f"part-{first:08d}-{os.getpid()}.parquet"
            _write(table_of(rows), self.path / PARTS / name)

    def read(self) -> pd.DataFrame:
        """Return every case done so far, once each, in their order.

        Raises:
            DataError: A file of the folder cannot be read.
        """
        import pandas as pd

        parts = sorted((self.path / PARTS).glob("part-*.parquet"), key=_age)
        tables = [_read(path) for path in (self.results, *parts) if path.is_file()]
        if not tables:
            return table_of(())
        joined = pd.concat(tables, ignore_index=True)
        return _in_order(joined.drop_duplicates("case", keep="last"))

    def consolidate(self) -> pd.DataFrame:
        """Join the parts to one file, and return what is in it.

        Raises:
            DataError: A file of the folder cannot be read.
            SpecificationError: The file cannot be written.
        """
        parts = list((self.path / PARTS).glob("part-*.parquet"))
        table = self.read()
        if parts:
            _write(table, self.results)
            # Only those that were read: another run may have written one meanwhile.
            for part in parts:
                part.unlink(missing_ok=True)
        return table


def open_folder(path: Path, *, digest: str, facts: Mapping[str, Any], study: bytes) -> StudyFolder:
    """Return the folder of a study, made if it is not there.

    Args:
        path: Where.
        digest: Of the study; a folder that holds another one's results is refused.
        facts: What else the manifest tells.
        study: The file as it was read; a copy lies beside the results.

    Raises:
        SpecificationError: The folder holds something else, or cannot be written.
        DataError: Its manifest cannot be read.
    """
    manifest = path / MANIFEST
    if manifest.is_file():
        _check_manifest(manifest, digest)
    elif path.is_dir() and any(path.iterdir()):
        raise SpecificationError(
            "the folder holds something, but no study.",
            where=f"--output {path}",
            mend="Choose an empty folder, or one that is not there.",
        )
    try:
        (path / PARTS).mkdir(parents=True, exist_ok=True)
        if not manifest.is_file():
            _replace(path / STUDY_COPY, study)
            content = json.dumps({"format": FORMAT, "digest": digest, **facts}, indent=2)
            _replace(manifest, f"{content}\n".encode())
    except OSError as error:
        raise SpecificationError(
            f"cannot be written ({error.strerror}).",
            where=f"--output {path}",
            mend="Choose another folder.",
        ) from error
    return StudyFolder(path=path)


def _check_manifest(manifest: Path, digest: str) -> None:
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
        other = found["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"cannot be read as the manifest of a study ({error}).",
            where=str(manifest),
            mend="Choose another folder, or take this one away.",
        ) from error
    if other != digest:
        raise SpecificationError(
            "it holds results of another study: the study file, the plant, system or price file "
            "behind it, or the version of raffinate has changed since.",
            where=f"--output {manifest.parent}",
            mend="Give another folder with --output, or take this one away.",
        )


def table_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Return rows as a table in the order of the cases, errors last among the columns."""
    import pandas as pd

    if rows:
        return _in_order(pd.DataFrame(list(rows)))
    empty: dict[str, Any] = {"case": "int64", "seed": "int64", ERROR: "str", ERROR_KIND: "str"}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in empty.items()})


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    ordered = table.sort_values("case", ignore_index=True)
    # Not in the order in which cases came in: that one changes from run to run.
    last = [ERROR, ERROR_KIND]
    first = ["case", "seed"]
    given = sorted(name for name in table.columns if name.startswith("input."))
    found = sorted(set(table.columns) - {*first, *given, *last})
    for name in last:
        ordered[name] = ordered[name].fillna("").astype("object")
    for name in (*given, *found):
        ordered[name] = ordered[name].astype("float64")
    for name in first:
        ordered[name] = ordered[name].astype("int64")
    return ordered[[*first, *given, *found, *last]]


def _age(part: Path) -> tuple[int, str]:
    return part.stat().st_mtime_ns, part.name


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    needs_extra("pyarrow")
    try:
        return pd.read_parquet(path, engine="pyarrow")
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot be read as Parquet ({error}).",
            where=str(path),
            mend="Take the file away: its cases are then done again.",
        ) from error


def _write(table: pd.DataFrame, path: Path) -> None:
    needs_extra("pyarrow")
    unfinished = path.with_suffix(".unfinished")
    try:
        table.to_parquet(unfinished, engine="pyarrow", index=False)
        os.replace(unfinished, path)
    except OSError as error:
        raise SpecificationError(
            f"cannot be written ({error.strerror or error}).",
            where=str(path),
            mend="Make room, and run the study again: what is done is kept.",
        ) from error


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)
