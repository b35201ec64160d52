"""The OPC UA server of a process: its tags and methods, encrypted, with users, roles and audit."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from asyncua.server.server import Server
from cryptography import x509

from raffinate.errors import DataError, SpecificationError, nearest_name
from raffinate.runtime.opcua_access import Accounts, Audit, Users, Who
from raffinate.runtime.opcua_adi import ADI, DI
from raffinate.runtime.opcua_cells import TagCell, ticks
from raffinate.runtime.opcua_gate import Gate
from raffinate.runtime.opcua_methods import (
    ERROR,
    Argument,
    Function,
    Method,
    described,
)
from raffinate.runtime.opcua_pki import (
    application_uri,
    check_validity,
    common_name,
    fingerprint,
    identity,
    trusted_clients,
)
from raffinate.runtime.opcua_session import GuardedServer, Rules, refuse
from raffinate.runtime.opcua_tree import Tree
from raffinate.runtime.opcua_types import NodeId, quieten, ua
from raffinate.runtime.run_directory import is_loopback, reachable
from raffinate.runtime.tags import NAMESPACES, Role, Space, Tag, Value

STANDARDS = {"DI": DI, "ADI": ADI}
"""Namespaces of the companion standards."""


class TagServer:
    """An OPC UA server of tags. Use it with `async with`, or `start` and `stop` it.

    Args:
        name: Of the process; names its certificate and stands in its address.
        host: Address to listen at; anything but loopback needs users.
        port: TCP port; 0 for a free one.
        tags: What it offers.
        pki: Folder of certificates.
        users: People; None where there is no table.
        internal: Password and role of the project's own processes, by name.
        audit: Takes an entry for every write by a client, and for every call and log-in refused.
        on_write: Awaited for every permitted write before its value is stored. A
            SpecificationError refuses the write as BadOutOfRange, an AccessDenied as
            BadUserAccessDenied.

    Attributes:
        server: asyncua's server, from `start` to `stop`.
    """

    def __init__(
        self,
        *,
        name: str,
        host: str,
        port: int,
        tags: Sequence[Tag],
        pki: Path,
        users: Users | None,
        internal: Mapping[str, tuple[str, Role]],
        audit: Audit,
        on_write: Callable[[Tag, Value, Who], Awaitable[None]] | None = None,
    ) -> None:
        self._name = name
        self._host = host
        self._port = port
        self._tags = tuple(tags)
        self._pki = pki
        self._users = users
        accounts = Accounts(users, internal, open_to_viewers=is_loopback(host))
        self._loop: asyncio.AbstractEventLoop | None = None
        spaces = dict.fromkeys(tag.space for tag in self._tags)
        # asyncua numbers namespaces as they come: 0 is the standard's, 1 the application's.
        indices: dict[Space, int] = {space: 2 + i for i, space in enumerate(spaces)}
        self._tree = Tree(self._tags, indices)
        self._cells = self._tree.cells
        self._gate = Gate(self._tree, accounts, audit, on_write, self._changed)
        self._slow: deque[Any] = deque()
        self._firing: asyncio.Task[None] | None = None
        self.server: Any = None

    @property
    def endpoint(self) -> str:
        """Address by which programs on this machine reach the server."""
        return f"opc.tcp://{reachable(self._host)}:{self._port}/raffinate/{self._name}/"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Build the address space and listen.

        Raises:
            SpecificationError: The host can be reached from elsewhere and no users are entered, or
                the port is taken.
            DataError: The certificate or its key cannot be used.
        """
        self._check_door()
        quieten()
        own = identity(self._pki, self._name)
        server = await self._prepared(own.application_uri)
        await server.load_certificate(own.der, "der")
        await server.load_private_key(own.key, None, "der")
        server.iserver.certificate_validator = self._validate
        try:
            await server.start()
        except OSError as error:
            raise SpecificationError(
                f"{self._host}:{self._port} cannot be listened at: {error.strerror}.",
                where=f"OPC UA server {self._name}",
                mend="Choose another port, or stop what uses this one.",
            ) from error
        self.server = server
        self._port = self.server.bserver.port
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        """End all sessions and listen no longer."""
        server, self.server, self._loop = self.server, None, None
        if self._firing is not None:
            self._firing.cancel()
            await asyncio.gather(self._firing, return_exceptions=True)
            self._firing = None
        self._slow.clear()
        if server is not None:
            await server.stop()

    def publish(self, values: Mapping[str, Value], source_time: datetime | None = None) -> None:
        """Take new values; on the thread of the event loop.

        Subscribers hear of those that differ from the ones before. A number that is none (NaN)
        makes its tag bad.

        Args:
            values: By tag path.
            source_time: UTC; when they held. Now unless given.

        Raises:
            SpecificationError: There is no such tag.
            TypeError: A value is not of its tag's type.
        """
        now = ticks(datetime.now(UTC))
        times = (now if source_time is None else ticks(source_time), now)
        cells = self._cells
        for path, value in values.items():
            cell = cells.get(path)
            if cell is None:
                raise SpecificationError(
                    f"{path!r} is no tag of this server.",
                    where=f"OPC UA server {self._name}",
                    mend=nearest_name(path, list(cells)),
                )
            if cell.put(value, times):
                for item in cell.watchers:
                    item.pending[item] = None
                if cell.attribute.datachange_callbacks:
                    self._fire(cell)

    def publish_threadsafe(
        self, values: Mapping[str, Value], source_time: datetime | None = None
    ) -> None:
        """Take new values from any thread; calls keep their order. Nothing after `stop`."""
        loop = self._loop
        if loop is None:
            return
        # The loop may close between the two lines, when there is nobody left to tell.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self.publish, dict(values), source_time)

    def value(self, path: str) -> Value | None:
        """Return what a tag holds; None while it holds nothing or is bad.

        Raises:
            KeyError: There is no such tag.
        """
        return self._cells[path].raw

    def node_id(self, space: Space, path: str) -> NodeId:
        """Return the identifier of a path in one of the project's namespaces."""
        return self._tree.node_id(space, path)

    async def add_method(
        self,
        object_path: str,
        name: str,
        function: Function,
        inputs: Sequence[Argument] = (),
        outputs: Sequence[Argument] = (),
        role: Role | None = None,
        *,
        service: bool = False,
        space: Space | None = None,
    ) -> None:
        """Offer a method; the server must have been started.

        Args:
            object_path: Folder it belongs to; made if missing.
            name: Of the method.
            function: Called on the event loop with who calls and the arguments; may be a
                coroutine function. A RaffinateError it raises is told to the client.
            inputs: Names and types of the arguments.
            outputs: Names and types of the results; a text `Error` is added at the end.
            role: Lowest role of people that may call it; None for none.
            service: Whether the project's own processes may call it.
            space: Namespace of a folder that is to be made; that of the first tag unless given.
        """
        existing = self._tree.object_of(object_path)
        chosen = existing or space or self._tags[0].space
        results: list[Argument] = [*outputs, (ERROR, "String")]
        owner, node = self._tree.add_method(
            chosen, object_path, name, inputs=described(inputs), outputs=described(results)
        )
        # asyncua looks whether a method has something to call.
        node.call = function
        self._gate.methods[node.nodeid] = Method(
            path=f"{object_path}/{name}",
            owner=owner,
            function=function,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            role=role,
            service=service,
        )

    def permit_method(self, method: NodeId, role: Role | None, *, service: bool = False) -> None:
        """Let clients call a method that was linked through `server`; no other may be called.

        Args:
            method: Its identifier.
            role: Lowest role of people that may; None for none.
            service: Whether the project's own processes may.
        """
        self._gate.permitted[method] = (role, service)

    def _check_door(self) -> None:
        if is_loopback(self._host) or (self._users is not None and not self._users.empty):
            return
        raise SpecificationError(
            f"{self._host} can be reached from other machines, and no users are entered.",
            where=f"OPC UA server {self._name}",
            allowed="127.0.0.1 without users",
            mend="Enter users first, or listen at 127.0.0.1.",
        )

    async def _prepared(self, uri: str) -> Server:
        inner = GuardedServer(self._gate)
        server = Server(iserver=inner)
        # Loading the standard's 6,000 nodes makes objects by the 100,000 and frees none: without
        # the collector it takes a fifth less.
        collecting = gc.isenabled()
        gc.disable()
        try:
            await server.init()
        finally:
            if collecting:
                gc.enable()
        host = "127.0.0.1" if self._host == "localhost" else self._host
        shown = f"[{host}]" if ":" in host else host
        server.set_endpoint(f"opc.tcp://{shown}:{self._port}/raffinate/{self._name}/")
        server.set_server_name(f"raffinate {self._name}")
        server.product_uri, server.manufacturer_name = "urn:raffinate", "raffinate"
        server.application_type = ua.ApplicationType.Server
        await server.set_application_uri(uri)
        policies = [ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt]
        server.set_security_policy(policies, permission_ruleset=Rules(self._gate))
        server.set_identity_tokens([ua.AnonymousIdentityToken, ua.UserNameIdentityToken])
        for space in self._tree.indices:
            await server.register_namespace(NAMESPACES[space])
        standards = {name: await server.register_namespace(at) for name, at in STANDARDS.items()}
        self._tree.build(inner.aspace, standards)
        return server

    async def _validate(self, certificate: x509.Certificate, description: Any) -> None:
        """Refuse the certificate of a client that is out of its time, another's, or not listed."""
        who = Who(name=common_name(certificate)[:64], role="viewer")
        try:
            check_validity(certificate, "OPC UA client")
        except DataError as error:
            self._gate.tell(who, "connection", str(error))
            raise refuse("BadCertificateTimeInvalid") from error
        if application_uri(certificate) != description.ApplicationUri:
            self._gate.tell(who, "connection", "the certificate is another application's")
            raise refuse("BadCertificateUriInvalid")
        trusted = trusted_clients(self._pki)
        if trusted is not None and fingerprint(certificate) not in trusted:
            self._gate.tell(who, "connection", "the certificate is not in pki/trusted")
            raise refuse("BadCertificateUntrusted")

    def _changed(self, cell: TagCell) -> None:
        for item in cell.watchers:
            item.pending[item] = None
        if cell.attribute.datachange_callbacks:
            self._fire(cell)

    def _fire(self, cell: TagCell) -> None:
        """Tell asyncua's own items, which are coroutines, in the order of the changes."""
        value = cell.data_value()
        callbacks = cell.attribute.datachange_callbacks
        self._slow.extend((callbacks, handle, value) for handle in callbacks)
        if self._firing is None or self._firing.done():
            self._firing = asyncio.get_running_loop().create_task(self._fire_all())

    async def _fire_all(self) -> None:
        while self._slow:
            callbacks, handle, value = self._slow.popleft()
            # An item may have been deleted since.
            callback = callbacks.get(handle)
            if callback is not None:
                await callback(handle, value)
