"""Methods of a server: their arguments, who may call them, and how they fail."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from raffinate.errors import RaffinateError
from raffinate.runtime.opcua_access import AccessDenied, Who
from raffinate.runtime.opcua_types import NodeId, Variant, node_id, status_code, ua
from raffinate.runtime.tags import Role

log = logging.getLogger(__name__)

ArgumentKind = Literal["Double", "Int64", "Int32", "String", "Boolean", "Double[]", "String[]"]
"""Type of an argument."""

Argument = tuple[str, ArgumentKind]
"""Name and type."""

Function = Callable[..., Any | Awaitable[Any]]
"""Called with who calls and the arguments; returns the outputs, one as it is and several as a
tuple."""

ERROR = "Error"
"""Last output of every method: empty, or the error as JSON in the form of the command line. A
status code alone has no words, and stacks do not show the diagnostic texts beside it."""

_LIMITS = {"Int64": 2**63, "Int32": 2**31}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method that clients may call.

    Attributes:
        path: Of the object and the method, with a slash between.
        owner: Object it belongs to.
        function: What it does.
        inputs: Arguments in order.
        outputs: Results in order, without the error.
        role: Lowest role of people, or "guard"; None for no person.
        service: Whether the project's own processes may call it.
    """

    path: str
    owner: NodeId
    function: Function
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    role: Role | None
    service: bool


def described(arguments: Sequence[Argument]) -> list[Any]:
    """Return arguments as the properties of a method describe them."""
    return [
        ua.Argument(
            Name=name,
            DataType=node_id(int(ua.VariantType[kind.removesuffix("[]")])),
            ValueRank=1 if kind.endswith("[]") else -1,
            ArrayDimensions=[0] if kind.endswith("[]") else [],
        )
        for name, kind in arguments
    ]


async def run_method(method: Method, who: Who, given: Sequence[Variant]) -> Any:
    """Call a method; whatever goes wrong becomes a result, never an exception.

    Returns:
        asyncua's CallMethodResult. An error of the project is a Good result whose last output
        tells it; anything else that fails is BadInternalError and stands in the log.
    """
    if len(given) != len(method.inputs):
        fewer = len(given) < len(method.inputs)
        return failed("BadArgumentsMissing" if fewer else "BadTooManyArguments")
    arguments = []
    for (_, kind), variant in zip(method.inputs, given, strict=True):
        found = _argument(kind, variant)
        if found is None:
            result = failed("BadInvalidArgument")
            result.InputArgumentResults = [
                status_code("Good" if _argument(k, v) is not None else "BadTypeMismatch")
                for (_, k), v in zip(method.inputs, given, strict=True)
            ]
            return result
        arguments.append(found)
    try:
        value = method.function(who, *arguments)
        if inspect.isawaitable(value):
            value = await value
        outputs = _outputs(method, value)
    except AccessDenied:
        return failed("BadUserAccessDenied")
    except RaffinateError as error:
        text = json.dumps(error.to_dict(), ensure_ascii=False)
        outputs = [*(_nothing(kind) for _, kind in method.outputs), _variant("String", text)]
    except Exception:
        log.exception("method %s failed", method.path)
        return failed("BadInternalError")
    result = ua.CallMethodResult()
    result.InputArgumentResults = [status_code("Good") for _ in given]
    result.OutputArguments = outputs
    return result


def failed(status: str) -> Any:
    """Return the result of a call that was not made."""
    result = ua.CallMethodResult()
    result.StatusCode = status_code(status)
    return result


def _outputs(method: Method, value: Any) -> list[Variant]:
    values = value if len(method.outputs) > 1 else (value,)[: len(method.outputs)]
    made = [_variant(kind, each) for (_, kind), each in zip(method.outputs, values, strict=True)]
    return [*made, _variant("String", "")]


def _variant(kind: ArgumentKind, value: Any) -> Variant:
    array = kind.endswith("[]")
    content = list(value) if array else value
    return Variant(content, ua.VariantType[kind.removesuffix("[]")], is_array=array)


def _nothing(kind: ArgumentKind) -> Variant:
    if kind.endswith("[]"):
        return _variant(kind, ())
    return _variant(kind, {"String": "", "Boolean": False}.get(kind, 0))


def _argument(kind: ArgumentKind, variant: Variant) -> Any:
    """Return an argument as plain value; None where it is of another type.

    Any integer is taken for an integer and any number for a number: stacks differ in what they
    make of a plain one.
    """
    value = variant.Value
    if kind.endswith("[]"):
        if not isinstance(value, list):
            return None
        kind_of_entry: Any = kind.removesuffix("[]")
        made = [_plain(kind_of_entry, entry) for entry in value]
        return None if None in made else tuple(made)
    return _plain(kind, value)


def _plain(kind: ArgumentKind, value: Any) -> Any:
    if kind == "String":
        return value if isinstance(value, str) else None
    if kind == "Boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if kind == "Double":
        return float(value)
    limit = _LIMITS[kind]
    return value if isinstance(value, int) and -limit <= value < limit else None
