"""A client of an OPC UA server, the project's own or another's, that keeps its connection.

A cut link is made again by itself; meanwhile requests fail at once with `LinkLost`, and mirrors
are stale.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from raffinate.errors import RaffinateError, SpecificationError
from raffinate.runtime.opcua_link import Door, LinkLost, Security, close_link, open_link
from raffinate.runtime.opcua_mirror import Mirror, MirrorValue, OnChange, plain, quality_of
from raffinate.runtime.opcua_names import NodeName, NodeNames, key_of
from raffinate.runtime.opcua_types import (
    DataValue,
    NodeId,
    quieten,
    ua,
)
from raffinate.runtime.opcua_variants import NodeTypes, guessed
from raffinate.runtime.tags import Value

__all__ = ["CallRefused", "LinkLost", "Mirror", "MirrorValue", "TagClient", "WriteRefused"]

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_DELAY = 0.2
"""Wait before the first attempt to connect again, [s]; it doubles with each."""

LONGEST_DELAY = 5.0
"""Longest wait between attempts, [s]."""

NODES_PER_READ = 1000
"""Most nodes read with one request; small servers take no more."""

FIRST_VALUES = 5.0
"""Longest wait for the first values of a mirror, [s]."""


class WriteRefused(RaffinateError):
    """A server refused a write.

    Args:
        statuses: Name of the status code by key, of the writes that were refused.
    """

    exit_code = 1

    def __init__(self, statuses: Mapping[str, str], where: str) -> None:
        self.statuses = dict(statuses)
        told = ", ".join(f"{key}: {status}" for key, status in statuses.items())
        super().__init__(f"the server refused {told}.", where=where)


class CallRefused(RaffinateError):
    """A server did not run a method.

    Args:
        status: Name of the status code.
        method: What was called.
    """

    exit_code = 1

    def __init__(self, status: str, method: str, where: str) -> None:
        self.status = status
        super().__init__(f"the server refused to run {method}: {status}.", where=where)


class TagClient:
    """A client of one server. Use it with `async with`, or `connect` and `close` it.

    Args:
        endpoint: Address, "opc.tcp://HOST:PORT/…".
        pki: Folder of certificates; this program's own is made in it if missing.
        name: Of this program.
        user: Log-in name; None for none.
        password: Its password.
        trust: Certificate file or SHA-256 fingerprint of the server; None for those of the folder.
        security: "none" only for a server that can do no better.
        on_link: Told of a link lost (False) and made again (True).

    Attributes:
        connected: Whether the link stands.
        error: Why it does not.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        pki: Path,
        name: str,
        user: str | None = None,
        password: str | None = None,
        trust: Path | str | None = None,
        security: Security = "sign_and_encrypt",
        on_link: Callable[[bool], None] | None = None,
    ) -> None:
        self._door = Door(
            endpoint=endpoint,
            pki=pki,
            name=name,
            user=user,
            password=password,
            trust=trust,
            security=security,
        )
        self.endpoint = endpoint
        self.error: RaffinateError | None = None
        self._on_link = on_link
        self._client: Any = None
        self._names: NodeNames | None = None
        self._types = NodeTypes(self._attributes)
        self._mirrors: list[Mirror] = []
        self._keeper: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self._closing = False
        quieten()

    @property
    def connected(self) -> bool:
        """Whether the link stands."""
        return self._client is not None and not self._lost.is_set()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def connect(self, patience: float = 0.0) -> None:
        """Connect, and from then on keep the connection.

        Args:
            patience: Time for which a server that does not answer is tried again, [s].

        Raises:
            LinkLost: No server answers.
            DataError: A certificate is out of its time, or not the one that is trusted.
            SpecificationError: The server refuses the user or the security.
        """
        end, delay = time.monotonic() + patience, FIRST_DELAY
        while True:
            try:
                await self._open()
                break
            except LinkLost:
                if time.monotonic() + delay > end:
                    raise
            await asyncio.sleep(delay)
            delay = min(2.0 * delay, LONGEST_DELAY)
        self._closing = False
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """End the connection; mirrors turn stale."""
        self._closing = True
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        for mirror in self._mirrors:
            mirror.lose()
        await self._drop()

    async def read(self, names: Sequence[NodeName]) -> list[Value]:
        """Read values; NaN for those that are bad.

        Raises:
            LinkLost: The server does not answer.
            SpecificationError: It has no such node.
        """
        return [value for value, _, _ in await self.read_full(names)]

    async def read_full(self, names: Sequence[NodeName]) -> list[MirrorValue]:
        """Read values with their quality and time.

        Raises:
            LinkLost: The server does not answer.
            SpecificationError: It has no such node.
        """
        nodes = await self._nodes(names)
        answers = await self._attributes(nodes, ua.AttributeIds.Value)
        for name, answer in zip(names, answers, strict=True):
            if answer.StatusCode is not None and answer.StatusCode.name == "BadNodeIdUnknown":
                raise self._unknown(name)
        return [MirrorValue(plain(a), quality_of(a), a.SourceTimestamp) for a in answers]

    async def write(self, pairs: Mapping[Any, Value] | Sequence[tuple[NodeName, Value]]) -> None:
        """Write values with one request, in their order.

        Args:
            pairs: Names and values.

        Raises:
            WriteRefused: The server refused some; it has done the others.
            LinkLost: The server does not answer; whether it has done them is not known.
            SpecificationError: It has no such node, or a value does not fit its type.
        """
        given = list(pairs.items()) if isinstance(pairs, Mapping) else list(pairs)
        names = [name for name, _ in given]
        nodes = await self._nodes(names)
        refused = await self._types.learn(names, nodes)
        if refused:
            raise WriteRefused(refused, self.endpoint)
        params = ua.WriteParameters()
        for (name, value), node in zip(given, nodes, strict=True):
            item = ua.WriteValue()
            item.NodeId, item.AttributeId = node, ua.AttributeIds.Value
            # No status and no times beside the value: many servers refuse a write that has them.
            content = self._types.variant(name, node, value)
            item.Value = ua.DataValue(content, StatusCode=None)
            params.NodesToWrite.append(item)
        statuses = await self._asked(lambda session: session.write(params))
        refused = {
            key_of(name): status.name
            for name, status in zip(names, statuses, strict=True)
            if not status.is_good()
        }
        if refused:
            raise WriteRefused(refused, self.endpoint)

    async def call(self, owner: NodeName, method: str, *arguments: Value) -> Any:
        """Call a method.

        Args:
            owner: Object it belongs to.
            method: Its name; at another's server its identifier.
            arguments: In order.

        Returns:
            None, one value, or several as a tuple.

        Raises:
            CallRefused: The server did not run it.
            SpecificationError: It ran and told an error, or there is no such method.
            LinkLost: The server does not answer.
        """
        path = method if "=" in method else f"{key_of(owner)}/{method}"
        place, node = await self._nodes([owner, path])
        request = ua.CallMethodRequest()
        request.ObjectId, request.MethodId = place, node
        request.InputArguments = [guessed(value) for value in arguments]
        (result,) = await self._asked(lambda session: session.call([request]))
        if not result.StatusCode.is_good():
            raise CallRefused(result.StatusCode.name, path, self.endpoint)
        outputs = [plain(ua.DataValue(each)) for each in result.OutputArguments or []]
        if self._names is not None and self._names.is_own(node) and outputs:
            _raise_told(str(outputs.pop()))
        return None if not outputs else outputs[0] if len(outputs) == 1 else tuple(outputs)

    async def mirror(
        self,
        names: Sequence[NodeName],
        interval_ms: float,
        on_change: OnChange | None = None,
    ) -> Mirror:
        """Watch values until the client is closed, through lost links too.

        Args:
            names: What to watch.
            interval_ms: Publishing interval, [ms].
            on_change: Told of new values.

        Returns:
            The mirror, with its first values unless the server is slow to tell them.

        Raises:
            LinkLost: The server does not answer; nothing is watched.
            SpecificationError: It has no such namespace.
        """
        mirror = Mirror(names, interval_ms / 1000.0, on_change)
        await self._watch(mirror)
        self._mirrors.append(mirror)
        if len(mirror.missing) < len(mirror):
            await mirror.wait(1 if mirror.missing else 0, FIRST_VALUES)
        return mirror

    async def _watch(self, mirror: Mirror) -> None:
        keys = list(mirror.names)
        found = await self._found(list(mirror.names.values()))
        nodes = dict(zip(keys, found, strict=True))
        await self._asked(lambda session: mirror.subscribe(session, nodes))

    async def _found(self, names: Sequence[NodeName]) -> list[NodeId | None]:
        if self._names is None:
            raise self._down()
        return await self._names.find(names)

    async def _nodes(self, names: Sequence[NodeName]) -> list[NodeId]:
        found = await self._found(names)
        nodes = [node for node in found if node is not None]
        if len(nodes) < len(found):
            raise self._unknown(names[found.index(None)])
        return nodes

    def _unknown(self, name: NodeName) -> SpecificationError:
        return SpecificationError(
            f"the server has no {key_of(name)}.",
            where=self.endpoint,
            mend="Browse it, or look the name up in the nodemap.",
        )

    def _down(self) -> LinkLost:
        why = f" {self.error.what}" if self.error is not None else ""
        return LinkLost(f"the link is down.{why}", where=self.endpoint)

    async def _asked(self, request: Callable[[Any], Awaitable[T]]) -> T:
        """Send a request; whatever the link does wrong becomes LinkLost."""
        client = self._client
        if client is None or self._lost.is_set():
            raise self._down()
        try:
            return await request(client.uaclient.session)
        except (OSError, TimeoutError, ua.UaError) as error:
            text = str(error) or type(error).__name__
            raise LinkLost(f"a request failed: {text}.", where=self.endpoint) from error

    async def _attributes(self, nodes: Sequence[NodeId], attribute: int) -> list[DataValue]:
        answers: list[DataValue] = []
        for begin in range(0, len(nodes), NODES_PER_READ):
            part = list(nodes[begin : begin + NODES_PER_READ])
            answers += await self._asked(lambda s, p=part: s.read_attributes(p, attribute))  # type: ignore[misc]
        return answers

    async def _open(self) -> None:
        client = await open_link(self._door)
        lost = self._lost = asyncio.Event()

        async def on_lost(_: Exception) -> None:
            lost.set()

        client.connection_lost_callback = on_lost
        self._client, self._types = client, NodeTypes(self._attributes)
        try:
            namespaces = await self._asked(lambda _: client.get_namespace_array())
            self._names = NodeNames(namespaces, self._attributes)
            for mirror in self._mirrors:
                await self._watch(mirror)
        except BaseException:
            await self._drop()
            raise
        self.error = None
        if self._on_link is not None:
            self._on_link(True)

    async def _drop(self) -> None:
        client, self._client, self._names = self._client, None, None
        if client is not None:
            await close_link(client)

    async def _keep(self) -> None:
        """Wait for the link to be lost and make it again, for ever."""
        while not self._closing:
            # Not wait_for, which may lose a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._lost.wait()
            if not self._lost.is_set() and not any(mirror.silent for mirror in self._mirrors):
                continue
            self._lost.set()
            for mirror in self._mirrors:
                mirror.lose()
            if self._on_link is not None:
                self._on_link(False)
            await self._drop()
            await self._again()

    async def _again(self) -> None:
        delay = FIRST_DELAY
        while not self._closing:
            await asyncio.sleep(delay)
            try:
                await self._open()
                return
            except RaffinateError as error:
                self.error = error
            except Exception as error:
                # The keeper must outlive whatever a server does.
                log.exception("%s: connecting failed", self.endpoint)
                self.error = LinkLost(f"{error!r}.", where=self.endpoint)
            for mirror in self._mirrors:
                mirror.lose()
            delay = min(2.0 * delay, LONGEST_DELAY)


def _raise_told(text: str) -> None:
    """Raise the error that a method of the project's own told."""
    if not text:
        return
    told = json.loads(text)
    raise SpecificationError(
        told["what"], where=told["where"], allowed=told["allowed"], mend=told["mend"]
    )
