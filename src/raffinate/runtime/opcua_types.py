"""asyncua's OPC UA types as the rest of the project uses them.

asyncua names its types in a way that a strict type checker sees only in part. Here is the one place
that bridges this: names for annotations, and `ua` for all else.
"""

from __future__ import annotations

import logging
from typing import Any

from asyncua import ua as _ua

ua: Any = _ua
"""Everything asyncua knows of OPC UA, unchecked."""

DataValue = _ua.DataValue
LocalizedText = _ua.LocalizedText
NodeId = _ua.NodeId
ReferenceDescription = _ua.ReferenceDescription
StatusCode = _ua.StatusCode
Variant = _ua.Variant
VariantType = _ua.VariantType


def node_id(identifier: int | str | bytes, index: int = 0) -> NodeId:
    """Return the identifier of a node; `index` is that of its namespace."""
    kind = ua.NodeIdType.ByteString if isinstance(identifier, bytes) else None
    found: NodeId = ua.NodeId(identifier, index, kind)
    return found


def status_code(name: str) -> StatusCode:
    """Return a status by its name, such as "BadOutOfRange"."""
    found: StatusCode = ua.StatusCode(getattr(ua.StatusCodes, name))
    return found


def quieten() -> None:
    """Silence asyncua's loggers, which print a traceback for every link that is cut.

    What matters is raised as an error or told by a state; a level set by somebody else stays.
    """
    for name in ("asyncua", "asyncuagds"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL + 1)
