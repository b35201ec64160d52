"""Tags: every value a server offers, by path, with its type, unit, limits and who may write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from raffinate.plant.model import LeverLimits, Plant
from raffinate.runtime.messages import BLANK, CHECK, STANDARD, place_of
from raffinate.runtime.upsets import UPSETS
from raffinate.units import HOUR

Kind = Literal["Double", "Int64", "String", "Boolean", "Double[]", "String[]"]
"""Type of a value, as OPC UA names it; [] is an array of one dimension."""

Space = Literal["plant", "twin", "operate"]
"""Namespace a tag belongs to; what only a virtual plant has stands in "twin"."""

Role = Literal["viewer", "operator", "engineer", "guard", "service"]
"""Who someone is. viewer < operator < engineer are people; guard is the program that writes plans,
service the project's own processes, which may only read and pass on what people ask."""

NAMESPACES: dict[Space, str] = {
    "plant": "urn:raffinate:plant",
    "twin": "urn:raffinate:twin",
    "operate": "urn:raffinate:operate",
}
"""Namespace URI of each space."""

REQUESTS = "Analyzer/XRF/Requests"
"""Tag through which the estimation asks for streams; an analyzer with a fixed rota passes over
it."""

Value = float | int | str | bool | tuple[float, ...] | tuple[str, ...]
"""What a tag holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One value that a server offers.

    Attributes:
        path: Folders and name with slashes between, such as "Levers/organic_flow/Measured"; its
            NodeId is the string identifier of the same text in the namespace of its space.
        kind: Type.
        unit: Engineering unit; empty for none.
        title: In words.
        space: Namespace.
        writer: Lowest role that may write it; None where no client may.
        low: Least value a client may write, [unit]; None without limit.
        high: Greatest value a client may write, [unit]; None without limit.
        choices: Texts a client may write; empty for any.
    """

    path: str
    kind: Kind
    unit: str = ""
    title: str = ""
    space: Space = "plant"
    writer: Role | None = None
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


def stream_tags(folder: str, title: str) -> tuple[Tag, ...]:
    """Return the tags of one sampled stream: the latest result with its covariance and times."""
    return (
        Tag(path=f"{folder}/Sequence", kind="Int64", title=f"Results of {title} so far"),
        Tag(path=f"{folder}/SampleTime", kind="Double", unit="s", title="Sampled at plant time"),
        Tag(path=f"{folder}/ResultTime", kind="Double", unit="s", title="Known at plant time"),
        Tag(path=f"{folder}/Values", kind="Double[]", unit="mol/m³", title="Concentrations"),
        Tag(path=f"{folder}/Covariance", kind="Double[]", unit="mol²/m⁶", title="Row by row"),
        Tag(path=f"{folder}/DetectionLimit", kind="Double[]", unit="mol/m³", title="Currie's L_D"),
        Tag(path=f"{folder}/Chi2PerDof", kind="Double", title="Of the fitted spectrum"),
        Tag(path=f"{folder}/Quality", kind="String", title="As the instrument judges itself"),
        Tag(path=f"{folder}/Flags", kind="String[]", title="Remarks"),
    )


def stream_folders(plant: Plant) -> dict[tuple[str, str], str]:
    """Return the folder of each stream by instrument, "xrf" or "assay", and place."""
    stages = tuple(place_of(stage + 1) for stage in plant.analyzer.monitored_stages)
    analyzer = {
        ("xrf", place): f"Analyzer/XRF/Channel1/{place}" for place in (*stages, *plant.products)
    }
    return analyzer | {("assay", name): f"Laboratory/{name}" for name in plant.products}


def check_folders(plant: Plant) -> dict[tuple[str, str], str]:
    """Return the folder of each check of the analyzer by instrument and name."""
    if plant.analyzer.checks is None:
        return {}
    return {(CHECK, name): f"Analyzer/XRF/Channel1/{name}" for name in (BLANK, STANDARD)}


def plant_tags(plant: Plant) -> tuple[Tag, ...]:
    """Return what a plant's control system offers, with its PLC; flows in m³/h.

    Args:
        plant: At its nominal flows, around which the limits of the levers lie.
    """
    operation = plant.operation()
    tags = list(_plc_tags())
    for name, limits in plant.levers.items():
        tags += _lever_tags(name, limits, getattr(operation, name) * HOUR)
    for name in ("scrub_within_acid", "organic_lost"):
        tags.append(Tag(path=f"Interlocks/{name}", kind="Boolean", title="Interlock acts"))
    for (_, place), folder in (stream_folders(plant) | check_folders(plant)).items():
        tags += stream_tags(folder, place)
    title = "stream|worth of the streams to look at next"
    tags.append(Tag(path=REQUESTS, kind="String[]", title=title, writer="guard"))
    return tuple(tags)


def _plc_tags() -> tuple[Tag, ...]:
    return (
        Tag(path="PLC/Time", kind="Double", unit="s", title="Plant time"),
        Tag(path="PLC/Epoch", kind="Int64", unit="µs", title="UTC at plant time 0"),
        Tag(path="PLC/Scan", kind="Int64", title="Scans completed"),
        Tag(path="PLC/Mode", kind="String", title="remote, hold or safe"),
        Tag(path="PLC/Watchdog", kind="Boolean", title="The guard's heartbeat is lost"),
        Tag(path="PLC/Acknowledged", kind="Int64", title="Scan up to which the guard has spoken"),
        Tag(path="PLC/PlanExpires", kind="Double", unit="s", title="Expiry of the plan held"),
        Tag(path="PLC/Alarms", kind="String[]", title="tag|sentence of what the PLC reports"),
        Tag(path="Guard/Sequence", kind="Int64", title="Number of the plan", writer="guard"),
        Tag(path="Guard/Expires", kind="Double", unit="s", title="Its expiry", writer="guard"),
        # The guard's heartbeat comes last in a write: it makes the plan before it count.
        Tag(path="Guard/Heartbeat", kind="Int64", title="Scan it covers", writer="guard"),
        Tag(path="Records/Last", kind="Int64", title="Number of the newest record"),
    )


def _lever_tags(name: str, limits: LeverLimits, nominal: float) -> tuple[Tag, ...]:
    """Return the tags of a lever whose nominal flow is `nominal`, [m³/h]."""
    folder, low, high = f"Levers/{name}", limits.low * nominal, limits.high * nominal
    return (
        Tag(
            path=f"{folder}/Setpoint",
            kind="Double",
            unit="m³/h",
            title=f"{limits.title}: setpoint asked for",
            writer="guard",
            low=low,
            high=high,
        ),
        Tag(
            path=f"{folder}/Trajectory",
            kind="Double[]",
            unit="m³/h",
            title=f"{limits.title}: setpoints of the scans up to the heartbeat",
            writer="guard",
            low=low,
            high=high,
        ),
        Tag(path=f"{folder}/InForce", kind="Double", unit="m³/h", title="Setpoint in force"),
        Tag(path=f"{folder}/Measured", kind="Double", unit="m³/h", title="Measured flow"),
        Tag(path=f"{folder}/Output", kind="Double", unit="%", title="Output to the actuator"),
        Tag(path=f"{folder}/Low", kind="Double", unit="m³/h", title="Lowest setpoint"),
        Tag(path=f"{folder}/High", kind="Double", unit="m³/h", title="Highest setpoint"),
        Tag(path=f"{folder}/Rate", kind="Double", unit="m³/h/h", title="Fastest change"),
        Tag(path=f"{folder}/Safe", kind="Double", unit="m³/h", title="Safe setpoint"),
    )


def twin_tags(plant: Plant) -> tuple[Tag, ...]:
    """Return what only a virtual plant offers: its true state, its books, upsets, pace."""
    paths: list[tuple[str, Kind, str]] = [
        ("Truth/pH", "Double[]", ""),
        ("Truth/FreeExtractant", "Double[]", "mol/L"),
        ("Truth/SaponificationDegree", "Double", ""),
        ("Truth/BalanceError", "Double", ""),
        ("Truth/Reagents/NH3", "Double", "t/t REO"),
        ("Truth/Reagents/HCl", "Double", "t/t REO"),
        ("Pace/Speed", "Double", ""),
        ("Pace/Phase", "String", ""),
        ("Pace/StepTime", "Double", "ms"),
        ("Pace/Horizon", "Double", "s"),
        ("Upsets/Table", "String", ""),
        ("Spectrum/Last", "String", ""),
        ("Spectrum/Checks", "String", ""),
        ("Spectrum/Next", "String", ""),
    ]
    for element in plant.circuit.elements:
        paths += [
            (f"Truth/Aqueous/{element}", "Double[]", "mol/L"),
            (f"Truth/Organic/{element}", "Double[]", "mol/L"),
            (f"Truth/Feed/{element}", "Double", ""),
        ]
    for name in plant.products:
        folder = f"Truth/Products/{name}"
        paths += [
            (f"{folder}/Purity", "Double", ""),
            (f"{folder}/OffSpecHours", "Double", "h"),
            (f"{folder}/OffSpecTonnes", "Double", "t"),
            (f"{folder}/Lots", "Int64", ""),
            (f"{folder}/LotsOffSpec", "Int64", ""),
            (f"{folder}/Recovery", "Double", ""),
            (f"{folder}/MadeTonnes", "Double", "t"),
        ]
    paths += [(f"Upsets/{name}/Active", "Boolean", "") for name in UPSETS]
    return tuple(Tag(path=path, kind=kind, unit=unit, space="twin") for path, kind, unit in paths)


def operate_tags(plant: Plant, modes: tuple[str, ...]) -> tuple[Tag, ...]:
    """Return what the operating program offers.

    Args:
        plant: At its nominal flows.
        modes: Modes of control.
    """
    tags = [
        Tag(path="Time", kind="Double", unit="s", title="Plant time of the last report"),
        Tag(path="Mode/Current", kind="String", title="Mode of control"),
        Tag(
            path="Mode/Request",
            kind="String",
            title="Mode asked for",
            writer="operator",
            choices=modes,
        ),
        Tag(path="Controller/Rules", kind="String[]", title="Rules of the fuzzy controller"),
        Tag(path="Controller/Strengths", kind="Double[]", title="How far each applies"),
        Tag(path="Controller/Holding", kind="String", title="Why it holds still; empty if not"),
        Tag(path="Controller/Trim", kind="Double[]", unit="decades", title="Shift of targets"),
        Tag(path="Controller/Seconds", kind="Double", unit="ms", title="Time of the last advice"),
        Tag(path="Plan/Sequence", kind="Int64", title="Number of the last plan"),
        Tag(path="Plan/Expires", kind="Double", unit="s", title="Its expiry"),
        Tag(path="Targets", kind="String", title="Targets by stage, JSON"),
        Tag(path="Readings", kind="String", title="Latest judged readings, JSON"),
        Tag(path="Sampling/Wanted", kind="String", title="Streams asked for and why, JSON"),
        Tag(path="Assays", kind="String", title="Latest sound assays, JSON"),
        Tag(path="Alarms/Standing", kind="String", title="Alarms with their states, JSON"),
        Tag(path="Alarms/Figures", kind="String", title="Figures of the alarm system, JSON"),
        Tag(path="Alarms/Count", kind="Int64", title="Alarms raised so far"),
        Tag(path="Link/Connected", kind="Boolean", title="The plant's server answers"),
        Tag(path="Link/Age", kind="Double", unit="s", title="Wall age of the last report"),
        Tag(path="Link/RoundTrip", kind="Double", unit="ms", title="Last order to report"),
        Tag(path="Records/Last", kind="Int64", title="Number of the newest record"),
    ]
    operation = plant.operation()
    for name, limits in plant.levers.items():
        nominal = getattr(operation, name) * HOUR
        tags += [
            Tag(
                path=f"Levers/{name}/Request",
                kind="Double",
                unit="m³/h",
                title=f"{limits.title}: setpoint an operator asks for",
                writer="operator",
                low=limits.low * nominal,
                high=limits.high * nominal,
            ),
            Tag(path=f"Levers/{name}/InForce", kind="Double", unit="m³/h", title="In force"),
            Tag(path=f"Levers/{name}/Measured", kind="Double", unit="m³/h", title="As reported"),
            Tag(path=f"Levers/{name}/AtPlant", kind="Double", unit="m³/h", title="As reported"),
            Tag(path=f"Levers/{name}/HeldBy", kind="String", title="Who moves it"),
            Tag(path=f"Levers/{name}/Nominal", kind="Double", unit="m³/h", title="Nominal"),
        ]
    return tuple(replace(tag, space="operate") for tag in tags)
