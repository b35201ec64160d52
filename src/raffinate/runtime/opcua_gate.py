"""The gate of a server: every write and call of a client is judged, done and audited here."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

from raffinate.errors import RaffinateError
from raffinate.runtime.opcua_access import (
    AccessDenied,
    Accounts,
    Audit,
    Refusal,
    Who,
    audit_entry,
    called,
    calling,
    judge,
    may,
)
from raffinate.runtime.opcua_cells import VARIANTS, TagCell, ticks
from raffinate.runtime.opcua_methods import Method, failed, run_method
from raffinate.runtime.opcua_tree import Tree
from raffinate.runtime.opcua_types import (
    NodeId,
    StatusCode,
    Variant,
    VariantType,
    node_id,
    status_code,
    ua,
)
from raffinate.runtime.tags import Kind, Role, Tag, Value

log = logging.getLogger(__name__)

OnWrite = Callable[[Tag, Value, Who], Awaitable[None]]
"""Told of every permitted write before the value is stored."""

_KINDS: dict[tuple[VariantType, bool], Kind] = {
    (VARIANTS[kind.removesuffix("[]")], kind.endswith("[]")): kind for kind in get_args(Kind)
}

_REFRESH = ("ConditionType_ConditionRefresh", "ConditionType_ConditionRefresh2")


class Gate:
    """Judges what clients ask of a server.

    Args:
        tree: The nodes.
        accounts: The log-ins.
        audit: Takes entries of the audit trail.
        on_write: Told of permitted writes; may refuse them.
        changed: Told of a tag whose value a client has changed.
    """

    def __init__(
        self,
        tree: Tree,
        accounts: Accounts,
        audit: Audit,
        on_write: OnWrite | None,
        changed: Callable[[TagCell], None],
    ) -> None:
        self.tree = tree
        self.accounts = accounts
        self.methods: dict[NodeId, Method] = {}
        # A client may always ask for the alarms that stand to be sent again.
        self.permitted: dict[NodeId, tuple[Role | None, bool]] = {
            node_id(getattr(ua.ObjectIds, name)): ("viewer", True) for name in _REFRESH
        }
        self._audit = audit
        self._on_write = on_write
        self._changed = changed

    async def write(
        self, who: Who, items: Sequence[Any], known: Callable[[NodeId], bool]
    ) -> list[StatusCode]:
        """Do the writes of one request in their order.

        Args:
            who: Who writes.
            items: asyncua's WriteValue of each.
            known: Whether a node exists at all.

        Returns:
            The status of each.
        """
        statuses: list[StatusCode] = []
        broken = False
        for item in items:
            # Half a plan is another plan: after one refusal the rest of the guard's request,
            # and with it the heartbeat that would make it count, is refused too.
            refusal = (
                Refusal(status="BadInvalidState", reason="the plan before it was refused")
                if broken and who.role == "guard"
                else await self._write(who, item, known)
            )
            if refusal is not None:
                broken = True
                self._refused(who, item, refusal)
            statuses.append(status_code(refusal.status if refusal else "Good"))
        return statuses

    async def _write(self, who: Who, item: Any, known: Callable[[NodeId], bool]) -> Refusal | None:
        cell = self.tree.by_node.get(item.NodeId)
        if cell is None:
            if not known(item.NodeId):
                return Refusal(status="BadNodeIdUnknown", reason="there is no such node")
            return Refusal(status="BadUserAccessDenied", reason="it is no tag")
        if item.AttributeId != ua.AttributeIds.Value:
            return Refusal(status="BadUserAccessDenied", reason="only values may be written")
        verdict = judge(cell.tag, item.Value.Value.Value, _kind(item.Value.Value), who)
        if isinstance(verdict, Refusal):
            return verdict
        status = item.Value.StatusCode
        if item.IndexRange or not (status is None or status.is_good()):
            reason = "parts of arrays and bad values cannot be written"
            return Refusal(status="BadWriteNotSupported", reason=reason)
        return await self._store(who, cell, verdict)

    async def _store(self, who: Who, cell: TagCell, value: Value) -> Refusal | None:
        token = calling(who)
        try:
            if self._on_write is not None:
                await self._on_write(cell.tag, value, who)
        except AccessDenied as error:
            return Refusal(status="BadUserAccessDenied", reason=str(error))
        except RaffinateError as error:
            return Refusal(status="BadOutOfRange", reason=str(error))
        except Exception as error:
            log.exception("a write of %s failed", cell.tag.path)
            return Refusal(status="BadInternalError", reason=repr(error))
        finally:
            called(token)
        # The guard writes a plan every scan, 10⁵ values a day, which would bury what people
        # change; every plan stands in the history anyway. What it is refused is audited.
        if who.role != "guard":
            entry = audit_entry(who, cell.tag.path, cell.raw, value, accepted=True)
            if not self._recorded(entry):
                return Refusal(status="BadInternalError", reason="it could not be audited")
        now = ticks(datetime.now(UTC))
        if cell.put(value, (now, now)):
            self._changed(cell)
        return None

    def _recorded(self, entry: dict[str, Any]) -> bool:
        """Audit something; return whether that succeeded, for nothing may change unrecorded."""
        try:
            self._audit(entry)
        except Exception:
            log.exception("the audit trail does not take %s", entry)
            return False
        return True

    def _refused(self, who: Who, item: Any, refusal: Refusal) -> None:
        cell = self.tree.by_node.get(item.NodeId)
        what = cell.tag.path if cell is not None else item.NodeId.to_string()
        if item.AttributeId != ua.AttributeIds.Value:
            what = f"{what}, attribute {int(item.AttributeId)}"
        new = item.Value.Value.Value if item.Value.Value is not None else None
        reason = f"{refusal.status}: {refusal.reason}"
        old = cell.raw if cell is not None else None
        self._recorded(audit_entry(who, what, old, new, accepted=False, reason=reason))

    async def call(self, who: Who, request: Any) -> Any:
        """Run one of the server's own methods; None where the node is another's."""
        method = self.methods.get(request.MethodId)
        if method is None:
            return None
        if request.ObjectId != method.owner:
            return failed("BadMethodInvalid")
        if not may(who.role, method.role, service=method.service):
            return self.denied(who, method.path, request)
        token = calling(who)
        try:
            return await run_method(method, who, request.InputArguments or [])
        finally:
            called(token)

    def may_call(self, who: Who, method: NodeId) -> bool:
        """Return whether someone may call a method, whoever made it."""
        own = self.methods.get(method)
        role, service = (
            (own.role, own.service) if own else self.permitted.get(method, (None, False))
        )
        return may(who.role, role, service=service)

    def denied(self, who: Who, what: str, request: Any) -> Any:
        """Refuse a call and audit that."""
        given = [variant.Value for variant in request.InputArguments or []]
        reason = f"BadUserAccessDenied: {who.role} may not call it"
        self._recorded(audit_entry(who, f"{what}()", None, given, accepted=False, reason=reason))
        return failed("BadUserAccessDenied")

    def tell(self, who: Who, what: str, reason: str) -> None:
        """Audit something else that was refused."""
        self._recorded(audit_entry(who, what, None, None, accepted=False, reason=reason))


def _kind(variant: Variant | None) -> Kind | None:
    """Return the type of a value as tags name it; None for one that no tag has."""
    if variant is None or (variant.Dimensions is not None and len(variant.Dimensions) > 1):
        return None
    return _KINDS.get((variant.VariantType, bool(variant.is_array)))
