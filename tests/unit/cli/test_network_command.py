"""`raffinate solve` of a plant of many circuits."""

from __future__ import annotations

import json

import pytest
from tests.network_plants import TWO_BANKS

from raffinate.cli.network import (
    check_network_command,
    is_network_file,
    solve_network_command,
)
from raffinate.errors import SpecificationError


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "two_banks.yaml"
    file.write_text(TWO_BANKS, encoding="utf-8")
    return file


def test_files_of_many_circuits_are_known(path):
    assert is_network_file(str(path))
    assert not is_network_file("ceprnd_p507")


def test_a_purity_of_no_product_is_refused(path):
    with pytest.raises(SpecificationError, match="no purity of two_banks"):
        solve_network_command(
            str(path), spec=["dy_purity=0.9"], as_json=False, as_csv=False, output=None
        )


def test_tables_json_and_a_file_are_written(path, capsys, tmp_path):
    written, picture = tmp_path / "streams.csv", tmp_path / "flows.svg"
    solve_network_command(str(path), spec=[], as_json=False, as_csv=False, output=written)
    shown = capsys.readouterr().out
    for word in ("2 circuits, 16 stages", "Products", "first", "HCl", "Balance of 6 components"):
        assert word in shown
    assert written.read_text(encoding="utf-8").startswith("stream,flow_m3_per_h")
    solve_network_command(str(path), spec=[], as_json=True, as_csv=False, output=picture)
    told = json.loads(capsys.readouterr().out)
    assert told["plant"] == "two_banks"
    assert told["balance_error"] < 1e-9
    assert "<svg" in picture.read_text(encoding="utf-8")


def test_check_reads_it_without_solving(path, capsys):
    check_network_command(str(path), as_json=False)
    shown = capsys.readouterr().out
    for word in ("2 circuits, 16 stages", "Circuits", "Products", "strip"):
        assert word in shown
    check_network_command(str(path), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert sum(sum(each.values()) for each in told["circuits"].values()) == told["stages"] == 16
