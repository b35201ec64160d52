"""The virtual plant as a process: `python -m raffinate.runtime.twin_process RUN_DIRECTORY`.

A thread moves the plant; the event loop only serves OPC UA, so no solve ever holds up a client.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Mapping
from typing import Any, cast

from raffinate.errors import RaffinateError, SpecificationError
from raffinate.instruments.reading import Fault
from raffinate.runtime.audit import AuditTrail
from raffinate.runtime.opcua_access import Audit, Who
from raffinate.runtime.opcua_methods import Argument
from raffinate.runtime.opcua_server import TagServer
from raffinate.runtime.plan_door import PlanDoor
from raffinate.runtime.process_status import StatusWriter, StopRequest, process_main
from raffinate.runtime.run_directory import RunDirectory
from raffinate.runtime.serving import add_records, watch_stop
from raffinate.runtime.story import events_of
from raffinate.runtime.tags import Value, plant_tags, twin_tags
from raffinate.runtime.twin import Twin
from raffinate.runtime.twin_checkpoint import resumed
from raffinate.runtime.twin_host import TwinHost
from raffinate.runtime.users import UserTable, check_exposure
from raffinate.units import HOUR


def build_twin(run: RunDirectory) -> Twin:
    """Return the plant of a new run, at the flows its shift before left it with."""
    from raffinate.plant.plant_file import load_plant
    from raffinate.runtime.nominal import nominal_plant

    settings = run.settings
    plant, _ = nominal_plant(load_plant(settings.plant))
    twin = Twin(plant, settings.seed, matched=settings.matched)
    for event, title in events_of(settings, plant.circuit.elements):
        twin.add_event(event, title)
    return twin


async def serve(
    run: RunDirectory, twin: Twin | None, status: StatusWriter, stop: StopRequest
) -> None:
    """Serve the plant until the stop request.

    Raises:
        RaffinateError: The plant can go no further, as when it loses its balance.
    """
    settings = run.settings
    users = UserTable.load(run.users_file)
    check_exposure(settings.host, users)
    server: TagServer | None = None

    def publish(values: Mapping[str, Value]) -> None:
        if server is not None:
            server.publish_threadsafe(values)

    host = TwinHost(run, twin, publish)
    door = PlanDoor(host)
    with AuditTrail(run.audit_file("plant")) as trail:

        def audit(fields: dict[str, Any]) -> None:
            given = {"source": "opcua", "plant_time": host.twin.time, **fields}
            host.keep(trail.append(**given))

        server = TagServer(
            name="plant",
            host=settings.host,
            port=settings.plant_port,
            tags=(*plant_tags(host.twin.model), *twin_tags(host.twin.model)),
            pki=run.pki,
            users=users,
            internal=run.internal_accounts(),
            audit=audit,
            on_write=door.write,
        )
        async with server:
            # Before any client can look: a plant without values would look like a broken one.
            host.show_all()
            await add_records(server, host.ring)
            await _add_calls(server, host, audit)
            # What stands now stays: the collector need not look through it again and again.
            gc.freeze()
            failed = await _move(host, status, stop)
        host.close()
    if failed is not None:
        raise failed


async def _add_calls(server: TagServer, host: TwinHost, audit: Audit) -> None:
    def done(who: Who, what: str, new: object) -> None:
        # The server itself writes down the calls it refuses.
        audit({"user": who.name, "role": who.role, "what": what, "new": new, "accepted": True})

    async def begin(who: Who, name: str) -> None:
        await asyncio.to_thread(host.begin_upset, name)
        done(who, "Upsets/Begin", name)

    async def end(who: Who, name: str) -> None:
        await asyncio.to_thread(host.end_upset, name)
        done(who, "Upsets/End", name)

    async def fault(who: Who, place: str, kind: str) -> None:
        # The twin itself refuses a fault it does not know.
        await asyncio.to_thread(host.inject_fault, place, cast("Fault | None", kind or None))
        done(who, f"Upsets/Fault/{place}", kind)

    async def set_speed(who: Who, speed: float) -> None:
        if not 0.0 <= speed <= 1e9:
            raise SpecificationError(
                f"the speed is {speed:g}.", where="Pace/SetSpeed", allowed="0 to 1e9"
            )
        await asyncio.to_thread(host.set_speed, speed)
        done(who, "Pace/SetSpeed", speed)

    calls: tuple[tuple[str, str, Any, tuple[Argument, ...]], ...] = (
        ("Upsets", "Begin", begin, (("Name", "String"),)),
        ("Upsets", "End", end, (("Name", "String"),)),
        ("Upsets", "Fault", fault, (("Place", "String"), ("Fault", "String"))),
        ("Pace", "SetSpeed", set_speed, (("Speed", "Double"),)),
    )
    for folder, name, function, inputs in calls:
        await server.add_method(
            folder, name, function, inputs, role="operator", service=True, space="twin"
        )


async def _move(host: TwinHost, status: StatusWriter, stop: StopRequest) -> BaseException | None:
    """Let the plant's thread run until the stop request, and return what it failed with."""
    failure: list[BaseException] = []
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        try:
            host.run_until_stopped()
        except BaseException as error:
            failure.append(error)
            if not isinstance(error, RaffinateError):
                # With its traceback in the log; the supervisor starts the process again.
                threading.excepthook(
                    threading.ExceptHookArgs((type(error), error, error.__traceback__, None))
                )
        finally:
            loop.call_soon_threadsafe(ended.set)

    stop.then(host.stop)
    thread = threading.Thread(target=work, name="plant")
    thread.start()
    status.running()
    while not ended.is_set():
        status.beat(
            plant_h=host.twin.time / HOUR,
            step_ms=host.step_ms,
            phase=host.phase,
            plc=host.plc.mode,
            records=host.ring.last,
        )
        await watch_stop(ended, 0.5)
    await asyncio.to_thread(thread.join)
    return failure[0] if failure else None


def body(run: RunDirectory, status: StatusWriter, stop: StopRequest) -> None:
    """Run the process from its start to the stop request."""
    twin = None if resumed(run) is not None else build_twin(run)
    asyncio.run(serve(run, twin, status, stop))


if __name__ == "__main__":
    process_main("twin", body)
