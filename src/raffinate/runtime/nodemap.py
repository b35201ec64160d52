"""A nodemap: which node of a plant's OPC UA server holds what, and in which unit.

With one, another server than ours takes the place of the twin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from raffinate.errors import SpecificationError, nearest_name
from raffinate.plant.model import Plant
from raffinate.runtime.messages import place_of
from raffinate.runtime.nodemap_nodes import LeverNodes, NodeRef, StateNode, StreamNodes

Security = Literal["none", "sign_and_encrypt"]
"""none: plain text, for a server on the same machine; sign_and_encrypt: Basic256Sha256."""

ExpiryForm = Literal["plant_time", "utc", "seconds_left"]
"""How the server takes the expiry of a plan: [s] of plant time, a DateTime, or [s] from now."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Hosts at which a server without encryption may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The server certificate that is accepted; one of the two is given.

    Attributes:
        fingerprint: SHA-256 of the certificate in DER, lower-case hexadecimal; empty if a file.
        certificate: File of the certificate, DER or PEM; None if a fingerprint.
    """

    fingerprint: str = ""
    certificate: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeMap:
    """Everything needed to talk to a plant's server.

    Attributes:
        title: In words.
        endpoint: Address of the server; empty if it is given elsewhere.
        security: See `Security`.
        user: Name to log in with; empty for an anonymous session. The password is never here.
        trust: Certificate accepted; None where whoever starts the client knows it.
        levers: By lever name.
        streams: Online analyzer and laboratory.
        time: Plant time, [s]; None: time is counted from the first report.
        epoch: UTC at plant time 0, [µs]; None: the wall clock at the first report.
        scan: Scans completed; None where the server does not go in step with the guard.
        acknowledged: Scan up to which the server has the guard's word; None where it has none.
        plc_mode: Mode of the control system, a text.
        watchdog: True while the control system misses the heartbeat.
        plan_expires: Expiry of the plan held, in the form of `expires`.
        plc_alarms: Array of "tag|sentence".
        records_object: Object with the method Pull, which gives back what a lost link missed.
        records_last: Number of the newest record there.
        heartbeat: Written last with every plan; a whole number that rises.
        sequence: Number of the plan; None where the server has no use for it.
        expires: Its expiry; None where the server has no use for it.
        expiry_form: How it takes it.
        requests: Array of "stream|worth" that the analyzer is asked for; None where it takes none.
        alarms: What the server reports by Booleans.
        interlocks: Interlocks that act.
    """

    title: str
    endpoint: str = ""
    security: Security = "sign_and_encrypt"
    user: str = ""
    trust: Trust | None = None
    levers: Mapping[str, LeverNodes]
    streams: tuple[StreamNodes, ...]
    time: NodeRef | None = None
    epoch: NodeRef | None = None
    scan: NodeRef | None = None
    acknowledged: NodeRef | None = None
    plc_mode: NodeRef | None = None
    watchdog: NodeRef | None = None
    plan_expires: NodeRef | None = None
    plc_alarms: NodeRef | None = None
    records_object: NodeRef | None = None
    records_last: NodeRef | None = None
    heartbeat: NodeRef
    sequence: NodeRef | None = None
    expires: NodeRef | None = None
    expiry_form: ExpiryForm = "plant_time"
    requests: NodeRef | None = None
    alarms: tuple[StateNode, ...] = ()
    interlocks: tuple[StateNode, ...] = ()

    def nodes(self) -> Iterator[NodeRef]:
        """Yield every variable named, for a client that wants to watch them all."""
        for lever in self.levers.values():
            single = (lever.setpoint, lever.measured, lever.trajectory, lever.in_force)
            yield from (node for node in (*single, lever.output) if node is not None)
            yield from lever.limits.values()
        for stream in self.streams:
            yield from stream.nodes
        plant = (
            *(self.time, self.epoch, self.scan, self.acknowledged, self.plc_mode, self.watchdog),
            *(self.plan_expires, self.plc_alarms, self.records_last),
            *(self.heartbeat, self.sequence, self.expires, self.requests),
        )
        yield from (node for node in plant if node is not None)
        yield from (state.node for state in (*self.alarms, *self.interlocks))

    def endpoint_or_error(self, endpoint: str = "") -> str:
        """Return the address to connect to.

        Args:
            endpoint: Given on the command line; goes before the one in the file.

        Raises:
            SpecificationError: There is none, or setpoints would cross a network in plain text.
        """
        found = endpoint or self.endpoint
        if not found.startswith("opc.tcp://"):
            raise SpecificationError(
                f"the endpoint is {found!r}.",
                where="nodemap",
                allowed="opc.tcp://HOST:PORT",
                mend="Give it with --connect or as 'endpoint' in the nodemap.",
            )
        if self.security == "none" and urlsplit(found).hostname not in LOOPBACK:
            raise SpecificationError(
                f"setpoints would go to {found} in plain text.",
                where="nodemap: security",
                allowed=f"none for {', '.join(LOOPBACK)} only",
                mend="Set security: sign_and_encrypt, or tunnel the connection.",
            )
        return found

    def check(self, plant: Plant) -> tuple[str, ...]:
        """Refuse a nodemap that does not fit a plant.

        Returns:
            What the plant can run without but should know.

        Raises:
            SpecificationError: A lever is missing or unknown, a stream is of no stage or product
                or lacks an element, or a monitored stage has no stream.
        """
        levers = tuple(plant.levers)
        for name in self.levers:
            _known(name, levers, "levers", "lever")
        for name in levers:
            if name not in self.levers:
                raise SpecificationError(
                    f"lever {name} of {plant.name} has no nodes.",
                    where="nodemap: levers",
                    mend="Name its setpoint and its measured flow.",
                )
        for stream in self.streams:
            _check_stream(stream, plant)
        online = {stream.place for stream in self.streams if stream.instrument == "xrf"}
        for stage in plant.analyzer.monitored_stages:
            if place_of(stage + 1) not in online:
                raise SpecificationError(
                    f"{place_of(stage + 1)} is monitored and has no stream.",
                    where="nodemap: streams",
                    mend="Map it, or take it off analyzer.monitored_stages of the plant file.",
                )
        return self._remarks(plant)

    def _remarks(self, plant: Plant) -> tuple[str, ...]:
        assayed = {stream.place for stream in self.streams if stream.instrument == "assay"}
        remarks = [
            f"no laboratory stream of {name}: the targets of the controller are never corrected"
            for name in plant.products
            if name not in assayed
        ]
        if self.watchdog is None:
            remarks.append("no watchdog node: a heartbeat that the plant misses goes unnoticed")
        if self.expires is None:
            remarks.append("no expires node: only the heartbeat tells the plant that a plan lapsed")
        return tuple(remarks)


def _check_stream(stream: StreamNodes, plant: Plant) -> None:
    section = "streams" if stream.instrument == "xrf" else "laboratory"
    stages = tuple(place_of(stage + 1) for stage in range(plant.circuit.stages))
    products = tuple(plant.products)
    # Sixty-eight stages make a poor hint: the range says more.
    if stream.place not in (*stages, *products):
        raise SpecificationError(
            f"{stream.place!r} is no place of {plant.name}.",
            where=f"nodemap: {section}",
            allowed=f"{stages[0]} to {stages[-1]}, {', '.join(products)}",
        )
    for symbol in stream.elements:
        _known(symbol, plant.circuit.elements, f"{section}.{stream.place}", "element")
    if missing := [e for e in plant.circuit.elements if e not in stream.elements]:
        raise SpecificationError(
            f"{', '.join(missing)} has no value.",
            where=f"nodemap: {section}.{stream.place}",
            allowed=f"a value for each of {', '.join(plant.circuit.elements)}",
        )


def _known(name: str, known: tuple[str, ...], section: str, kind: str) -> None:
    if name not in known:
        raise SpecificationError(
            f"{name!r} is no {kind} of the plant.",
            where=f"nodemap: {section}",
            mend=nearest_name(name, known),
        )
