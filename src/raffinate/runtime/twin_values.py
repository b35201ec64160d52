"""What a virtual plant's server shows: values by tag path, as `tags.py` lists them."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from raffinate.control.plan import Lever
from raffinate.control.plc import INTERLOCKS, PlcState
from raffinate.instruments.reading import Reading
from raffinate.runtime.messages import PlantReport
from raffinate.runtime.tags import Value
from raffinate.runtime.twin import Twin
from raffinate.runtime.upsets import UPSETS
from raffinate.units import HOUR

SPARE = 1.25
"""Greatest flow of an actuator over the highest setpoint, [-]; assumed, and linear."""


def lever_values(levers: tuple[Lever, ...], plc: PlcState, report: PlantReport) -> dict[str, Value]:
    """Return setpoint in force, measured flow and output of every lever, [m³/h] and [%]."""
    found: dict[str, Value] = {}
    for lever in levers:
        folder, measured = f"Levers/{lever.name}", report.measured[lever.name]
        found[f"{folder}/InForce"] = plc.in_force[lever.name] * HOUR
        found[f"{folder}/Measured"] = measured * HOUR
        found[f"{folder}/Output"] = 100.0 * measured / (SPARE * lever.high)
    return found


def lever_limits(levers: tuple[Lever, ...]) -> dict[str, Value]:
    """Return what never changes of the levers."""
    found: dict[str, Value] = {}
    for lever in levers:
        folder = f"Levers/{lever.name}"
        found[f"{folder}/Low"] = lever.low * HOUR
        found[f"{folder}/High"] = lever.high * HOUR
        found[f"{folder}/Rate"] = lever.rate_limit * HOUR * HOUR
        found[f"{folder}/Safe"] = lever.safe * HOUR
    return found


def plc_values(plc: PlcState, alarms: dict[str, str]) -> dict[str, Value]:
    """Return the state of the PLC."""
    return {
        "PLC/Scan": plc.scan,
        "PLC/Mode": plc.mode,
        "PLC/Watchdog": plc.watchdog,
        "PLC/Acknowledged": plc.acknowledged,
        "PLC/PlanExpires": plc.expires_at if math.isfinite(plc.expires_at) else math.nan,
        "PLC/Alarms": tuple(f"{tag}|{text}" for tag, text in alarms.items()),
        **{f"Interlocks/{name}": name in plc.interlocks for name in INTERLOCKS},
    }


def stream_values(folder: str, sequence: int, sample: Reading) -> dict[str, Value]:
    """Return the latest result of one stream."""
    return {
        f"{folder}/SampleTime": sample.sample_time,
        f"{folder}/ResultTime": sample.result_time,
        f"{folder}/Values": tuple(sample.values.tolist()),
        f"{folder}/Covariance": tuple(sample.covariance.ravel().tolist()),
        f"{folder}/DetectionLimit": tuple(sample.detection_limit.tolist()),
        f"{folder}/Chi2PerDof": sample.chi2_per_dof,
        f"{folder}/Quality": sample.quality,
        f"{folder}/Flags": sample.flags,
        # Last, so that a client which sees it move finds the rest in place.
        f"{folder}/Sequence": sequence,
    }


def true_values(twin: Twin) -> dict[str, Value]:
    """Return the books and the world of a virtual plant."""
    found: dict[str, Value] = {
        "Truth/SaponificationDegree": twin.operation.saponification_degree,
    }
    feed = twin.operation.feed_mass_fraction.tolist()
    for element, share in zip(twin.plant.circuit.elements, feed, strict=True):
        found[f"Truth/Feed/{element}"] = share
    for formula, used in twin.reagents_per_t_reo().items():
        found[f"Truth/Reagents/{formula}"] = used
    for name, account in twin.accounts.items():
        folder, recovery = f"Truth/Products/{name}", twin.recovery(name)
        found[f"{folder}/Purity"] = account.purity
        found[f"{folder}/OffSpecHours"] = account.off_spec_time / HOUR
        found[f"{folder}/OffSpecTonnes"] = account.off_spec / 1000.0
        found[f"{folder}/Lots"] = account.lots
        found[f"{folder}/LotsOffSpec"] = account.lots_off_spec
        found[f"{folder}/Recovery"] = math.nan if recovery is None else recovery
        found[f"{folder}/MadeTonnes"] = float(account.made.sum()) / 1000.0
    return found


def profile_values(twin: Twin) -> dict[str, tuple[float, ...]]:
    """Return the true profile, (stage,), [mol/L]; pH without unit."""
    snapshot, found = twin.profile(), {}
    for index, element in enumerate(twin.plant.circuit.elements):
        for phase, held in (("Aqueous", snapshot.aqueous), ("Organic", snapshot.organic)):
            # Nine digits are below any reading; the rest would double what the disk holds.
            rounded = np.array([float(f"{v:.9g}") for v in held[:, index] / 1e3])
            found[f"Truth/{phase}/{element}"] = tuple(rounded.tolist())
    found["Truth/pH"] = tuple((-np.log10(snapshot.proton / 1e3)).round(5).tolist())
    found["Truth/FreeExtractant"] = tuple((snapshot.free_extractant / 1e3).round(7).tolist())
    return found


def upset_values(twin: Twin) -> dict[str, Value]:
    """Return which upsets are active, and the table of all that have begun."""
    table = [
        {
            "name": each.name,
            "title": each.title,
            "begin": each.event.begin,
            "end": each.event.end if math.isfinite(each.event.end) else None,
        }
        for each in twin.upsets
        if each.event.begin <= twin.time
    ]
    active = {each.name for each in twin.upsets if each.event.begin <= twin.time < each.event.end}
    return {
        "Upsets/Table": json.dumps(table, ensure_ascii=False),
        **{f"Upsets/{name}/Active": name in active for name in UPSETS},
    }


def spectrum_values(twin: Twin) -> dict[str, Value]:
    """Return the analyzer's last spectrum with its fit, its checks and what it measures, as JSON.

    A text is empty where there is none: a spectrum comes only of readings that were counted, see
    `xrf_chain_view`; the rest only of an analyzer that is checked or does not keep to a rota.
    """
    return {
        "Spectrum/Last": _json(twin.analyzer.shown()),
        "Spectrum/Checks": _json(twin.analyzer.shown_checks()),
        "Spectrum/Next": _json(twin.rounds.shown()),
    }


def _json(value: Any) -> str:
    """Return plain values as JSON; an empty text where there are none."""
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
