"""Export of the twin as an FMU for co-simulation, FMI 2 or 3.

The FMU holds names, the plant and a thin script; it runs `raffinate` of the Python environment in
which it is opened and is of no use without one.
"""

from __future__ import annotations

import shutil
import tempfile
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from raffinate.errors import SpecificationError
from raffinate.plant.plant_file import load_plant, shipped_plants
from raffinate.plant.steady import solve_nominal
from raffinate.runtime.fmu_model import PLANT_FILE, SETTINGS_FILE, settings_text

FmiVersion = Literal[2, 3]

_BUILDERS = {2: "pythonfmu", 3: "pythonfmu3"}
_SLAVES = {2: "fmu_slave_2.py", 3: "fmu_slave_3.py"}


def export_fmu(plant: str, output: Path, *, version: FmiVersion = 2) -> Path:
    """Write the twin of a plant as an FMU.

    Args:
        plant: A shipped plant, or the path of a plant file, which is then packed into the FMU.
        output: File to write, with the ending .fmu.
        version: Of FMI.

    Returns:
        The file written.

    Raises:
        SpecificationError: The packages of the extra `fmi` are missing, or a wrong ending.
        DataError: There is no such plant.
    """
    if output.suffix != ".fmu":
        raise SpecificationError(
            f"{output.name!r} does not end in .fmu.", where="--output", allowed="*.fmu"
        )
    builder = _builder(version)
    loaded = load_plant(plant)
    operation = solve_nominal(loaded).operation
    assert operation is not None
    shipped = plant in shipped_plants()
    with tempfile.TemporaryDirectory(prefix="raffinate_fmu_") as scratch:
        folder = Path(scratch)
        # One process may open FMUs of both versions, and Python keeps modules by name.
        slave = folder / f"raffinate_slave_fmi{version}.py"
        slave.write_bytes((files("raffinate.runtime") / _SLAVES[version]).read_bytes())
        settings = folder / SETTINGS_FILE
        name = plant if shipped else PLANT_FILE
        settings.write_text(settings_text(name, operation), encoding="utf-8")
        carried = [settings]
        if not shipped:
            carried.append(Path(shutil.copyfile(plant, folder / PLANT_FILE)))
        built = builder.build_FMU(
            slave,
            dest=folder / "built",
            project_files=carried,
            canHandleVariableCommunicationStepSize=False,
        )
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(built, output)
    return output


def _builder(version: FmiVersion) -> Any:
    package = _BUILDERS[version]
    try:
        return import_module(f"{package}.builder").FmuBuilder
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise SpecificationError(
            f"FMI {version} needs the package {package}, which is not installed.",
            where="export fmu",
            mend="Install raffinate with the extra fmi: pip install 'raffinate[fmi]'.",
        ) from error
