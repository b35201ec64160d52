"""The operating program as a process: `python -m raffinate.runtime.operate_process RUN_DIRECTORY`.

The event loop talks; controllers and disk are worked in threads beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from raffinate.errors import RaffinateError, SpecificationError
from raffinate.plant.model import Plant
from raffinate.plant.plant_file import load_plant
from raffinate.plant.steady import SteadyState
from raffinate.runtime.alarm_list_file import alarm_list_of
from raffinate.runtime.alarms import Finding
from raffinate.runtime.audit import AuditTrail
from raffinate.runtime.messages import MODES
from raffinate.runtime.nodemap import NodeMap
from raffinate.runtime.nodemap_file import load_nodemap
from raffinate.runtime.nominal import kept_nominal, write_nominal
from raffinate.runtime.opcua_access import Who
from raffinate.runtime.opcua_client import LinkLost, TagClient
from raffinate.runtime.opcua_conditions import ConditionServer
from raffinate.runtime.opcua_pki import common_name, load_certificate
from raffinate.runtime.opcua_server import TagServer
from raffinate.runtime.operate_host import OperateHost
from raffinate.runtime.operate_link import PlantLink, plant_password
from raffinate.runtime.plant_port import PlantPort
from raffinate.runtime.process_status import StatusWriter, StopRequest, process_main
from raffinate.runtime.run_directory import RunDirectory
from raffinate.runtime.serving import add_records, watch_stop
from raffinate.runtime.tags import NAMESPACES, Tag, Value, operate_tags
from raffinate.runtime.users import UserTable, check_exposure
from raffinate.units import HOUR

SCAN_INTERVAL = 5.0
"""Publishing interval at which the plant's scans are watched, [ms]; it bounds the pace."""

CONNECT_PATIENCE = 2.0
"""Time for which one attempt to reach the plant goes on before it is an alarm, [s]."""

TWIN_PATIENCE = 180.0
"""Time a virtual plant has to come up beside this process, which may compile first, [s]."""

EXPIRES_SOON = timedelta(days=14)
"""Time before its end from which a certificate is an alarm: long enough to make another."""

SHOW_INTERVAL = 1.0
"""Wall time between two looks at links, certificates and processes, [s]."""


class Requests:
    """The doors of operate's server through which people ask."""

    def __init__(self, host: OperateHost, users: UserTable, link: PlantLink) -> None:
        self._host = host
        self._users = users
        self._link = link

    async def write(self, tag: Tag, value: Value, who: Who) -> None:
        """Take what a client wrote to a node; the server keeps the audit trail.

        Raises:
            SpecificationError: It cannot be done.
        """
        if tag.path == "Mode/Request":
            request: dict[str, Any] = {"type": "mode", "mode": value}
        else:
            request = {"type": "setpoint", "lever": tag.path.split("/")[1], "value": value}
        await asyncio.to_thread(self._host.carry_out, request, who)
        self._link.news.set()

    async def ask(self, who: Who, text: str, on_behalf_of: str) -> str:
        """Take a request in the page's form.

        Args:
            who: The session's.
            text: The request, JSON.
            on_behalf_of: Whom a process of the project speaks for; empty for people themselves.

        Raises:
            SpecificationError: It cannot be done.
            AccessDenied: The role may not.
        """
        try:
            # Integers may be longer than any float; read as floats they become infinite.
            request = json.loads(text, parse_int=float)
        except (ValueError, RecursionError) as error:
            raise SpecificationError(f"no JSON: {error}.", where="Requests.Ask") from error
        if not isinstance(request, dict):
            raise SpecificationError("a request is an object.", where="Requests.Ask")
        asking = self._person(who, on_behalf_of)
        source = "web" if who.role == "service" else "opcua"
        await asyncio.to_thread(self._host.ask, request, asking, source)
        self._link.news.set()
        return ""

    async def act(self, action: str, tag: str, who: Who, hours: float | None, comment: str) -> None:
        """Take an action on an alarm condition."""
        request = {"type": "alarm", "action": action, "tag": tag, "comment": comment}
        if hours is not None:
            request["hours"] = hours  # type: ignore[assignment]
        await asyncio.to_thread(self._host.ask, request, who, "opcua")
        self._link.news.set()

    def _person(self, who: Who, on_behalf_of: str) -> Who:
        if who.role != "service":
            if on_behalf_of:
                raise SpecificationError(
                    "only the project's own processes speak for others.", where="Requests.Ask"
                )
            return who
        if self._users.empty:
            # Without a user table nobody but this machine's user can reach the page.
            return Who(name=on_behalf_of or "local", role="engineer")
        role = self._users.role_of(on_behalf_of)
        if role is None:
            raise SpecificationError(f"there is no user {on_behalf_of!r}.", where="Requests.Ask")
        return Who(name=on_behalf_of, role=role)


def plant_nodemap(run: RunDirectory, plant: Plant) -> NodeMap:
    """Return the nodemap of the run's plant.

    Raises:
        SpecificationError: It does not fit the plant.
    """
    nodemap = load_nodemap(run.settings.nodemap or "nodemap_twin")
    nodemap.check(plant)
    return nodemap


def plant_client(run: RunDirectory, nodemap: NodeMap) -> TagClient:
    """Return a client of the plant's server, not yet connected."""
    settings = run.settings
    if settings.virtual:
        return TagClient(
            settings.plant_endpoint,
            pki=run.pki,
            name="operate",
            user="operate",
            password=run.secrets()["operate"],
        )
    trust = nodemap.trust
    return TagClient(
        nodemap.endpoint_or_error(settings.connect or ""),
        pki=run.pki,
        name="operate",
        user=nodemap.user or None,
        password=plant_password(),
        security=nodemap.security,
        trust=None if trust is None else (trust.certificate or trust.fingerprint),
    )


async def serve(
    run: RunDirectory,
    plant: Plant,
    nominal: SteadyState,
    status: StatusWriter,
    stop: StopRequest,
) -> None:
    """Operate the plant until the stop request."""
    settings = run.settings
    users = UserTable.load(run.users_file)
    check_exposure(settings.host, users)
    nodemap = plant_nodemap(run, plant)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    stop.then(lambda: loop.call_soon_threadsafe(stopped.set))
    with AuditTrail(run.audit_file("operate")) as trail:
        host = OperateHost(
            run,
            plant,
            nominal,
            lambda entry: trail.append(**{"source": "opcua", **entry}),
            alarm_list_of(plant),
            keeps_plant=nodemap.records_object is None,
        )
        client = plant_client(run, nodemap)
        port = PlantPort(client, nodemap, plant, epoch_us=settings.epoch_us)
        if host.port is not None:
            port.restore(host.port)
        pace = {"value": settings.speed if settings.virtual else 1.0}
        link = PlantLink(
            host, port, client, pace=lambda: pace["value"], stepped=nodemap.scan is not None
        )
        requests = Requests(host, users, link)
        async with _server(run, plant, users, host, requests) as server:
            await add_records(server, host.ring)
            await _offer_requests(server, requests)
            conditions = await _conditions(server, requests)

            def shown() -> None:
                server.publish(_values(host, link))

            beside = [
                asyncio.create_task(
                    _show(run, host, link, client, server, conditions, status, stopped)
                )
            ]
            try:
                patience = TWIN_PATIENCE if settings.virtual else 0.0
                await _connect(client, link, status, stopped, shown, patience)
                beside.append(
                    asyncio.create_task(_watch_pace(client, nodemap, link, pace, stopped))
                )
                status.running()
                # What stands now stays: the collector need not look through it again and again.
                gc.freeze()
                await link.run(stopped, shown)
            finally:
                stopped.set()
                await asyncio.gather(*beside)
                await client.close()
        host.ring.close()


def _server(
    run: RunDirectory, plant: Plant, users: UserTable, host: OperateHost, requests: Requests
) -> TagServer:
    return TagServer(
        name="operate",
        host=run.settings.host,
        port=run.settings.operate_port,
        tags=operate_tags(plant, MODES),
        pki=run.pki,
        users=users,
        internal=run.internal_accounts(),
        audit=host.written,
        on_write=requests.write,
    )


async def _offer_requests(server: TagServer, requests: Requests) -> None:
    await server.add_method(
        "Requests",
        "Ask",
        requests.ask,
        (("Request", "String"), ("OnBehalfOf", "String")),
        (("Result", "String"),),
        role="viewer",
        service=True,
    )


async def _conditions(server: TagServer, requests: Requests) -> ConditionServer:
    index = await server.server.get_namespace_index(NAMESPACES["operate"])
    conditions = ConditionServer(server.server, index, requests.act)
    await conditions.start()
    for method, role in conditions.roles.items():
        server.permit_method(method, role, service=role == "viewer")
    return conditions


async def _connect(
    client: TagClient,
    link: PlantLink,
    status: StatusWriter,
    stopped: asyncio.Event,
    shown: Callable[[], None],
    patience: float,
) -> None:
    """Reach the plant for the first time; from then on the client keeps the connection.

    Args:
        client: Of the plant's server.
        link: Takes the alarm.
        status: Of this process.
        stopped: Ends it.
        shown: Called to publish.
        patience: Wall time for which a server that does not answer is no alarm, [s].

    Raises:
        RaffinateError: The plant's server answers at once, and will not have this program.
    """
    begun = time.monotonic()
    while not stopped.is_set():
        try:
            await client.connect(CONNECT_PATIENCE)
            return
        except LinkLost as error:
            if time.monotonic() - begun > patience:
                await link.lost(error)
        except RaffinateError as error:
            if status.status.state != "running":
                # Wrong settings; whoever has just started the run should be told so.
                raise
            await link.lost(error)
            await watch_stop(stopped, SHOW_INTERVAL)
        # A plant that is down may stay so for days, and people want to be told.
        shown()
        if status.status.state != "running":
            status.running()


async def _watch_pace(
    client: TagClient,
    nodemap: NodeMap,
    link: PlantLink,
    pace: dict[str, float],
    stopped: asyncio.Event,
) -> None:
    """Wake the link when the plant has run its scans, and follow the pace of a virtual plant."""
    if nodemap.scan is None:
        return
    scan, speed = str(nodemap.scan), f"nsu={NAMESPACES['twin']};s=Pace/Speed"

    def changed(names: Sequence[str]) -> None:
        link.news.set()

    while not stopped.is_set() and not client.connected:
        await watch_stop(stopped, 0.1)
    if stopped.is_set():
        return
    mirror = None
    while not stopped.is_set():
        if mirror is None:
            # The link may be lost again before anything was watched.
            with contextlib.suppress(RaffinateError):
                mirror = await client.mirror((scan, speed), SCAN_INTERVAL, on_change=changed)
        told = None if mirror is None else mirror.value(speed)
        if isinstance(told, float):
            pace["value"] = told
        await watch_stop(stopped, 0.2)


def _values(host: OperateHost, link: PlantLink) -> dict[str, Value]:
    return {
        **host.values(),
        "Link/Connected": not link.trouble,
        "Link/Age": min(link.age, 1e9),
        "Link/RoundTrip": link.round_trip_ms,
    }


async def _show(
    run: RunDirectory,
    host: OperateHost,
    link: PlantLink,
    client: TagClient,
    server: TagServer,
    conditions: ConditionServer,
    status: StatusWriter,
    stopped: asyncio.Event,
) -> None:
    """Keep status, link ages, certificates and alarm conditions up to date."""
    while not stopped.is_set():
        link.findings = _own_findings(run)
        status.beat(
            plant_h=host.operate.time / HOUR,
            mode=host.operate.mode,
            advice_ms=host.advice_ms,
            alarms=len(host.operate.alarms.standing),
            links={"operate → plant": _link_state(link, client)},
            records=host.ring.last,
        )
        server.publish({"Link/Age": min(link.age, 1e9), "Link/Connected": not link.trouble})
        standing, now = await asyncio.to_thread(host.standing_alarms)
        await conditions.show(standing, now)
        await watch_stop(stopped, SHOW_INTERVAL)


def _link_state(link: PlantLink, client: TagClient) -> dict[str, Any]:
    return {
        "connected": client.connected and not link.trouble,
        "age_s": round(min(link.age, 1e9), 1),
        "round_trip_ms": round(link.round_trip_ms, 2),
        "trouble": link.trouble,
    }


def _own_findings(run: RunDirectory) -> dict[str, Finding]:
    """Return what is wrong with the certificates of the run."""
    told = []
    for file in sorted(run.pki.glob("*.der")):
        try:
            certificate = load_certificate(file)
        except RaffinateError as error:
            told.append(str(error))
            continue
        end = certificate.not_valid_after_utc
        left = end - datetime.now(UTC)
        if left <= EXPIRES_SOON:
            when = "expired on" if left.total_seconds() <= 0.0 else "expires on"
            told.append(f"the certificate of {common_name(certificate)} {when} {end:%Y-%m-%d}")
    return {"link.certificate": ("; ".join(told), "medium")} if told else {}


def body(run: RunDirectory, status: StatusWriter, stop: StopRequest) -> None:
    """Run the process from its start to the stop request."""
    plant, nominal = kept_nominal(run, load_plant(run.settings.plant))
    write_nominal(run, plant, nominal)
    asyncio.run(serve(run, plant, nominal, status, stop))


if __name__ == "__main__":
    process_main("operate", body)
