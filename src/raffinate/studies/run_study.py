"""Running a study: what is missing is done, kept as it comes, and joined in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from raffinate import __version__
from raffinate.studies.extras import needs_extra
from raffinate.studies.model import Case
from raffinate.studies.pool import run_distributed, run_here
from raffinate.studies.sampling import make_cases
from raffinate.studies.solve_case import ERROR, Row
from raffinate.studies.store import StudyFolder, open_folder
from raffinate.studies.study_file import StudyText
from raffinate.studies.workers import Workers

if TYPE_CHECKING:
    import pandas as pd

LONGEST_PART = 500
"""Rows after which they are written."""

PART_TIME = 5.0
"""Time after which rows are written, [s]: so much is lost with the machine at most."""


def default_folder(text: StudyText) -> Path:
    """Return where results go if nobody says: beside where one stands, by the study's name."""
    return Path(f"{text.study.name}-results")


def run_study(
    text: StudyText,
    folder: Path,
    *,
    workers: Workers | None = None,
    retry_failed: bool = False,
    begun: Callable[[int, int], None] | None = None,
    done: Callable[[Sequence[Row]], None] | None = None,
) -> pd.DataFrame:
    """Run the cases of a study that its folder lacks, and return all there are.

    Whatever ends it, what is done is in the folder; run again, only what is missing is done.

    Args:
        text: The study.
        folder: Of its results.
        workers: Who solves; None for this process.
        retry_failed: Do cases again that ended with an error.
        begun: Called with the number of cases, and how many of them are there already.
        done: Called with rows as they come.

    Returns:
        One row per case, in order: the content of `results.parquet`.

    Raises:
        SpecificationError: The folder is another study's, or a library, worker or scheduler is
            missing.
        DataError: A file of the folder cannot be read.
        ConvergenceError: The undisturbed plant cannot make its purities.
    """
    needs_extra("pyarrow")
    study = text.study
    cases = make_cases(study)
    facts = {"study": study.name, "version": __version__, "cases": len(cases)}
    store = open_folder(folder, digest=study.digest, facts=facts, study=text.content)
    table = store.read()
    there = table if not retry_failed else table[table[ERROR] == ""]
    missing = _missing(cases, set(there["case"].tolist()))
    if begun is not None:
        begun(len(cases), len(cases) - len(missing))
    if workers is None:
        coming = run_here(study, missing)
    else:
        coming = run_distributed(study, missing, workers)
    try:
        # Whoever is called may stop it; workers must end then, not when memory is next cleared.
        with closing(coming):
            _keep(store, coming, done)
    finally:
        table = store.consolidate()
    return table


def _missing(cases: Sequence[Case], there: set[int]) -> list[Case]:
    return [case for case in cases if case.index not in there]


def _keep(
    store: StudyFolder,
    coming: Iterator[list[Row]],
    done: Callable[[Sequence[Row]], None] | None,
) -> None:
    kept: list[Row] = []
    since = monotonic()
    try:
        for rows in coming:
            kept.extend(rows)
            if done is not None:
                done(rows)
            if len(kept) >= LONGEST_PART or monotonic() - since > PART_TIME:
                store.append(kept)
                kept, since = [], monotonic()
    finally:
        store.append(kept)
