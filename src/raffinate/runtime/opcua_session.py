"""Sessions of a server: what asyncua lets a client do, narrowed to what a plant may allow.

asyncua asks for rights in a few places only, so each service a client can reach is guarded here:
writes and calls go through the gate, a session belongs to the channel and certificate it was made
with, and a subscription to the session that made it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import ADMIN_TYPES, SimpleRoleRuleset, User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession

from raffinate.runtime.opcua_access import Who, called, calling, may
from raffinate.runtime.opcua_gate import Gate
from raffinate.runtime.opcua_speed import subscription_service
from raffinate.runtime.opcua_types import DataValue, StatusCode, Variant, node_id, ua

NOBODY = Who(name="unknown", role="viewer")

STRANGER = User(role=UserRole.Anonymous)
"""Whoever has not logged in yet."""

UNACKNOWLEDGED = 8
"""Messages kept for a client to ask for again; each may hold every tag."""

LONGEST_SESSION = 60_000.0
"""Longest life of a session whose client is silent, [ms]."""


@dataclass
class Visitor(User):
    """Someone logged in. asyncua's own role is User for all: its Admin overwrites anything."""

    who: Who = NOBODY


def refuse(status: str) -> ServiceError:
    """Return the error by which asyncua answers a request with a bad status."""
    return ServiceError(getattr(ua.StatusCodes, status))


class Rules(SimpleRoleRuleset):
    """asyncua's rules, by which no visitor may change the address space; attempts are audited.

    Args:
        gate: Takes the attempts.
    """

    def __init__(self, gate: Gate) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._gate = gate
        self._named = {node_id(each): ua.ObjectIdNames[each] for each in ADMIN_TYPES}

    def check_validity(self, user: User, action_type_id: Any, body: Any) -> bool:
        """Return whether a service may be used at all."""
        permitted = bool(super().check_validity(user, action_type_id, body))  # type: ignore[no-untyped-call]
        name = self._named.get(action_type_id)
        if not permitted and name is not None:
            service = name.removesuffix("Request_Encoding_DefaultBinary")
            self._gate.tell(who_of(user), service, "BadUserAccessDenied: no client may")
        return permitted


def who_of(user: Any) -> Who:
    """Return who is behind a user of asyncua."""
    return user.who if isinstance(user, Visitor) else NOBODY


class GuardedServer(InternalServer):
    """asyncua's inner server with guarded sessions.

    Args:
        gate: Judges writes and calls.
    """

    def __init__(self, gate: Gate) -> None:
        super().__init__(user_manager=self)  # type: ignore[arg-type]
        self.gate = gate
        self.max_session_timeout_ms = LONGEST_SESSION
        self.max_unacked_messages_per_subscription = UNACKNOWLEDGED
        service = subscription_service(self.aspace, self, gate.tree.by_node.get)
        self.subscription_service = self.isession.subscription_service = service

    def get_user(
        self,
        iserver: InternalServer,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> User | None:
        """Return who logs in, for asyncua."""
        who = self.gate.accounts.identify(username, password)
        if who is None:
            name = username if username is not None else "anonymous"
            self.gate.tell(
                Who(name=name[:64], role="viewer"), "log-in", "BadUserAccessDenied: not known"
            )
            return None
        return Visitor(role=UserRole.User, name=who.name, who=who)

    def create_session(
        self, name: str, user: User = STRANGER, external: bool = False
    ) -> InternalSession:
        """Return a session; a guarded one for a client."""
        if not external:
            return super().create_session(name, user, external)
        return GuardedSession(self, self.aspace, self.subscription_service, name, user, external)

    def register_server(self, server: Any, conf: Any = None) -> None:
        """Refuse to be a directory of other servers, which asyncua lets anybody fill."""
        raise refuse("BadServiceUnsupported")

    def decrypt_user_token(self, isession: Any, token: Any) -> tuple[str, str]:
        """Read name and password; RSA 1.5, by which an answer tells of the key, is refused."""
        if "rsa-1_5" in (token.EncryptionAlgorithm or ""):
            raise refuse("BadIdentityTokenRejected")
        return super().decrypt_user_token(isession, token)

    async def stop(self) -> None:
        """End the clock and the sessions that outlive their connection, then the server."""
        if self.time_task is not None:
            self.time_task.cancel()
            await asyncio.gather(self.time_task, return_exceptions=True)
            self.time_task = None
        for session in list(self._external_sessions.values()):
            await session.close_session(True)
        await super().stop()


class GuardedSession(InternalSession):
    """A client's session."""

    iserver: GuardedServer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # asyncua counts its tokens up, so that they can be guessed.
        self.iserver.unregister_external_session(self)
        self.auth_token = node_id(secrets.token_bytes(32))
        self.iserver.register_external_session(self)
        self._certificate: bytes | None = None

    async def create_session(self, params: Any, sockname: tuple[str, int] | None = None) -> Any:
        """Begin a session, on an encrypted channel only; without one, endpoints may be asked."""
        if not params.ClientCertificate:
            raise refuse("BadSecurityPolicyRejected")
        result = await super().create_session(params, sockname)
        self._certificate = params.ClientCertificate
        return result

    def activate_session(self, params: Any, peer_certificate: bytes | None) -> Any:
        """Log in, over the channel of the certificate that was judged and no other."""
        if peer_certificate is None:
            raise refuse("BadSecurityPolicyRejected")
        if peer_certificate != self._certificate:
            raise refuse("BadSecurityChecksFailed")
        return super().activate_session(params, peer_certificate)

    def _who(self) -> Who:
        who = self.iserver.gate.accounts.still(who_of(self.user))
        if who is None:
            raise refuse("BadUserAccessDenied")
        return who

    async def read(self, params: Any) -> list[DataValue]:
        """Read; what a user may write or call is told to each for himself."""
        who = self._who()
        results = await super().read(params)
        for index, asked in enumerate(params.NodesToRead):
            if asked.AttributeId == ua.AttributeIds.UserAccessLevel:
                results[index] = self._user_access(who, asked.NodeId, results[index])
            elif asked.AttributeId == ua.AttributeIds.UserExecutable and results[index].Value:
                allowed = self.iserver.gate.may_call(who, asked.NodeId)
                results[index] = ua.DataValue(Variant(allowed, ua.VariantType.Boolean))
        return results

    def _user_access(self, who: Who, node: Any, found: DataValue) -> DataValue:
        cell = self.iserver.gate.tree.by_node.get(node)
        if cell is None or may(who.role, cell.tag.writer):
            return found
        level = 1 << ua.AccessLevel.CurrentRead
        readable: DataValue = ua.DataValue(Variant(level, ua.VariantType.Byte))
        return readable

    async def write(self, params: Any) -> list[StatusCode]:
        """Write through the gate."""
        space = self.iserver.aspace
        return await self.iserver.gate.write(
            self._who(), params.NodesToWrite, lambda node: node in space
        )

    async def call(self, params: list[Any]) -> list[Any]:
        """Call methods: the server's own, and others' where they were permitted."""
        who, gate = self._who(), self.iserver.gate
        results = []
        for request in params:
            result = await gate.call(who, request)
            if result is None and not gate.may_call(who, request.MethodId):
                result = gate.denied(who, request.MethodId.to_string(), request)
            if result is None:
                token = calling(who)
                try:
                    (result,) = await super().call([request])
                finally:
                    called(token)
            results.append(result)
        return results

    def _own(self, subscription: int) -> None:
        known = self.subscription_service.subscriptions.get(subscription)
        if known is None or known.session_id != self.session_id:
            raise refuse("BadSubscriptionIdInvalid")

    async def create_monitored_items(self, params: Any) -> list[Any]:
        """Add items to a subscription of this session."""
        self._own(params.SubscriptionId)
        return await super().create_monitored_items(params)

    async def modify_monitored_items(self, params: Any) -> list[Any]:
        """Change items of a subscription of this session."""
        self._own(params.SubscriptionId)
        return await super().modify_monitored_items(params)

    async def delete_monitored_items(self, params: Any) -> list[StatusCode]:
        """Remove items of a subscription of this session."""
        self._own(params.SubscriptionId)
        return await super().delete_monitored_items(params)

    async def set_monitoring_mode(self, params: Any) -> list[StatusCode]:
        """Switch items of a subscription of this session."""
        self._own(params.SubscriptionId)
        return await super().set_monitoring_mode(params)

    def _owned(self, subscriptions: Iterable[int]) -> list[int]:
        """Return the numbers with 0, which no subscription has, in place of those of others."""
        known = self.subscription_service.subscriptions
        own = {each for each, sub in known.items() if sub.session_id == self.session_id}
        return [each if each in own else 0 for each in subscriptions]

    async def set_publishing_mode(self, params: Any) -> list[StatusCode]:
        """Switch subscriptions of this session."""
        params.SubscriptionIds = self._owned(params.SubscriptionIds)
        return await super().set_publishing_mode(params)

    def modify_subscription(self, params: Any) -> Any:
        """Change a subscription of this session."""
        self._own(params.SubscriptionId)
        return super().modify_subscription(params)

    async def delete_subscriptions(self, ids: list[int]) -> list[StatusCode]:
        """End subscriptions of this session."""
        return await super().delete_subscriptions(self._owned(ids))

    def republish(self, params: Any) -> Any:
        """Send a message of a subscription of this session again."""
        self._own(params.SubscriptionId)
        return super().republish(params)

    def publish(self, acks: Iterable[Any] | None = None) -> tuple[int, list[StatusCode]]:
        """Take a request to publish; messages of others cannot be acknowledged."""
        given = list(acks or ())
        owned = self._owned(each.SubscriptionId for each in given)
        for each, number in zip(given, owned, strict=True):
            each.SubscriptionId = number
        return super().publish(given)

    async def transfer_subscriptions(  # type: ignore[override]
        self, params: Any, callback: Callable[..., Any]
    ) -> list[Any]:
        """Take over subscriptions of another session of the same user."""
        sessions: Sequence[InternalSession] = list(self.iserver._external_sessions.values())
        owners = {each.session_id: who_of(each.user) for each in sessions}
        for each in params.SubscriptionIds:
            known = self.subscription_service.subscriptions.get(each)
            if known is not None and owners.get(known.session_id) != who_of(self.user):
                raise refuse("BadUserAccessDenied")
        return await super().transfer_subscriptions(params, callback)
