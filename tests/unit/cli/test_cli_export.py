"""`raffinate export`: a nodemap, systemd files, and what is refused before an FMU is written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from patience import PATIENCE
from raffinate.cli.export import register
from raffinate.runtime.nodemap_file import load_nodemap


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    register(made)
    made.callback()(lambda: None)
    return made


def run(app: typer.Typer, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["export", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_nodemap_on_stdout_is_the_shipped_file(app: typer.Typer) -> None:
    from importlib.resources import files

    code, out, err = run(app, "nodemap")
    assert (code, err) == (0, "")
    assert out == (files("raffinate.data") / "nodemap_twin.yaml").read_text(encoding="utf-8")


def test_a_nodemap_file_can_be_loaded_again(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    code, out, err = run(app, "nodemap", "--output", str(path))
    assert (code, out) == (0, "")
    assert str(path) in err
    assert load_nodemap(path) == load_nodemap("nodemap_twin")


def test_a_nodemap_of_no_plant_ends_with_2_and_the_nearest_name(app: typer.Typer) -> None:
    code, out, err = run(app, "nodemap", "--plant", "ceprnd_p50")
    assert (code, out) == (2, "")
    assert "ceprnd_p507" in err


def test_the_service_runs_the_program_of_this_environment(app: typer.Typer, tmp_path: Path) -> None:
    code, _, err = run(app, "systemd", "--output", str(tmp_path / "units"))
    assert code == 0
    assert "raffinate-run@.service" in err
    text = (tmp_path / "units" / "raffinate-run@.service").read_text(encoding="utf-8")
    program = Path(sys.executable).with_name("raffinate")
    assert f'exec "{program}" run' in text
    assert "@raffinate@" not in text
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "IPAddressDeny=any"):
        assert line in text.splitlines()
    assert (tmp_path / "units" / "raffinate-run.env").is_file()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_itself_finds_nothing_wrong(app: typer.Typer, tmp_path: Path) -> None:
    run(app, "systemd", "--output", str(tmp_path))
    unit = tmp_path / "raffinate-run@.service"
    # The program need not be installed where the tests run; its path is another test's.
    text = unit.read_text(encoding="utf-8")
    program = Path(sys.executable).with_name("raffinate")
    unit.write_text(text.replace(str(program), sys.executable), encoding="utf-8")
    shutil.copy(unit, tmp_path / "raffinate-run@line1.service")
    verdict = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "raffinate-run@line1.service")],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (verdict.returncode, verdict.stderr) == (0, "")


def test_units_into_a_file_are_refused(app: typer.Typer, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("", encoding="utf-8")
    code, _, err = run(app, "systemd", "--output", str(taken))
    assert code == 2
    assert "--output" in err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(["--fmi", "4"], "2 or 3"), (["--output", "twin.zip"], ".fmu")],
)
def test_an_fmu_that_cannot_be_written_is_refused_at_once(
    app: typer.Typer, arguments: list[str], hint: str
) -> None:
    code, _, err = run(app, "fmu", *arguments)
    assert code == 2
    assert hint in err


def test_the_command_loads_no_solver_for_its_help() -> None:
    code = (
        "import sys, raffinate.cli.export;"
        "assert not {'jax', 'scipy', 'gymnasium', 'pythonfmu'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)
