from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from raffinate.errors import DataError, SpecificationError
from raffinate.studies import extras
from raffinate.studies.solve_case import Row
from raffinate.studies.store import MANIFEST, StudyFolder, open_folder


def row(case: int, **more: float | str) -> Row:
    return {"case": case, "seed": 7 + case, "input.a": 0.5, "error": "", "error_kind": "", **more}


def opened(path: Path, digest: str = "d") -> StudyFolder:
    return open_folder(path, digest=digest, facts={"cases": 4}, study=b"the study")


def test_parts_in_any_order_become_one_file_in_the_order_of_the_cases(tmp_path: Path) -> None:
    folder = opened(tmp_path / "out")
    folder.append([row(3, y=3.0), row(1, error="no", error_kind="ConvergenceError")])
    folder.append([row(0, x=1.0)])
    folder.append([])
    assert folder.read()["case"].tolist() == [0, 1, 3]
    table = folder.consolidate()
    columns = ["case", "seed", "input.a", "x", "y", "error", "error_kind"]
    assert list(table.columns) == columns
    read = pd.read_parquet(folder.results)
    pd.testing.assert_frame_equal(read, table, check_dtype=False)
    assert read["error"].tolist() == ["", "no", ""]
    assert list((folder.path / "parts").iterdir()) == []
    assert (folder.path / "study.yaml").read_bytes() == b"the study"


def test_a_case_written_twice_is_there_once_and_the_later_one_counts(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.append([row(0, error="lost", error_kind="KilledWorker")])
    folder.consolidate()
    folder.append([row(0, x=2.0)])
    table = folder.consolidate()
    assert table["case"].tolist() == [0]
    assert (table["x"].tolist(), table["error"].tolist()) == ([2.0], [""])


def test_a_half_written_part_is_not_looked_at(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    (folder.path / "parts" / "part-00000000-1.unfinished").write_bytes(b"PAR1")
    assert len(folder.read()) == 0


def test_another_study_does_not_go_into_the_same_folder(tmp_path: Path) -> None:
    opened(tmp_path / "out")
    opened(tmp_path / "out")
    with pytest.raises(SpecificationError, match="another study"):
        opened(tmp_path / "out", digest="e")


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SpecificationError, match="no study"):
        opened(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    folder = opened(tmp_path / "out")
    bad = folder.path / "parts" / "part-00000000-1.parquet"
    bad.write_bytes(b"no parquet at all")
    with pytest.raises(DataError, match="part-00000000-1"):
        folder.read()
    (folder.path / MANIFEST).write_text(json.dumps({"format": "x"}))
    with pytest.raises(DataError, match=MANIFEST):
        opened(tmp_path / "out")


def test_a_file_in_the_way_of_the_folder_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecificationError, match="cannot be written"):
        opened(tmp_path / "file" / "out")


def test_a_missing_library_is_asked_for_by_the_name_of_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(SpecificationError, match=r"raffinate\[studies\]"):
        opened(tmp_path).append([row(0)])
