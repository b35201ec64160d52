"""In which order the units of a network are calculated, and where its recycles are torn."""

from __future__ import annotations

from dataclasses import dataclass

from raffinate.errors import SpecificationError, nearest_name
from raffinate.plant.network import Network, Tank, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitGroup:
    """Units that are calculated together.

    Attributes:
        units: In order of calculation.
        tears: Streams that the first of them need before they are made; empty without recycle.
    """

    units: tuple[Unit, ...]
    tears: tuple[str, ...]


def calculation_order(network: Network) -> tuple[UnitGroup, ...]:
    """Return groups of units, each after those it needs; a group of several is a recycle.

    Recycles are torn where they enter a tank, so that what is not known yet only makes its stream
    smaller.

    Raises:
        SpecificationError: The streams do not join: see `check_streams`; or a recycle that enters
            no tank.
    """
    check_streams(network)
    maker = {outlet: unit.name for unit in network.units for outlet in unit.outlets}
    by_name = {unit.name: unit for unit in network.units}
    needs = {
        unit.name: [maker[name] for name in unit.inlets if name in maker] for unit in network.units
    }
    return tuple(
        _ordered(network.name, [by_name[name] for name in group], maker)
        for group in _components(needs)
    )


def check_streams(network: Network) -> None:
    """Refuse streams that nobody makes or takes, that two take, and recycles without an exit.

    Raises:
        SpecificationError: With the smallest change that mends it.
    """
    made = [feed.name for feed in network.feeds]
    made += [outlet for unit in network.units for outlet in unit.outlets]
    takers: dict[str, list[str]] = {name: [] for name in made}
    wanted = [(name, unit.name) for unit in network.units for name in unit.inlets]
    wanted += [(product.stream, f"product {product.name}") for product in network.products.values()]
    wanted += [(name, "waste") for name in network.waste]
    for name, taker in wanted:
        if name not in takers:
            raise SpecificationError(
                f"{name!r} is made by nothing here.",
                where=f"{network.name}: {taker}",
                allowed=", ".join(made),
                mend=nearest_name(name, tuple(made)),
            )
        takers[name].append(taker)
    for name, found in takers.items():
        if not found:
            raise SpecificationError(
                f"nobody draws {name!r}.",
                where=network.name,
                mend="Name it under products or waste, or let a unit take it.",
            )
        if len(found) > 1:
            raise SpecificationError(
                f"{name!r} is taken by {' and by '.join(found)}.",
                where=network.name,
                mend="Part it with a splitter first.",
            )
    _check_exits(network)


def _check_exits(network: Network) -> None:
    """Refuse units from which no path leads to a product or to waste: they would fill for ever."""
    out = {product.stream for product in network.products.values()} | set(network.waste)
    open_units: set[str] = set()
    while True:
        more = {
            unit.name
            for unit in network.units
            if unit.name not in open_units and out.intersection(unit.outlets)
        }
        if not more:
            break
        open_units |= more
        out |= {name for unit in network.units if unit.name in more for name in unit.inlets}
    closed = [unit.name for unit in network.units if unit.name not in open_units]
    if closed:
        raise SpecificationError(
            f"{', '.join(closed)} feed only one another: what enters must accumulate.",
            where=network.name,
            mend=f"Part a stream of {closed[-1]} with a splitter and send a share of it to waste.",
        )


def _ordered(where: str, units: list[Unit], maker: dict[str, str]) -> UnitGroup:
    """Return the units of one group in order, and the streams torn."""
    names = {unit.name for unit in units}
    known: set[str] = set()
    tears: list[str] = []
    order: list[Unit] = []
    waiting = list(units)
    while waiting:
        ready = next(
            (unit for unit in waiting if not _unknown(unit, names, known, maker)),
            None,
        )
        if ready is None:
            ready = next((unit for unit in waiting if isinstance(unit, Tank)), None)
            if ready is None:
                stream = _unknown(waiting[0], names, known, maker)[0]
                raise SpecificationError(
                    f"{stream!r} is a recycle and enters no tank.",
                    where=f"{where}: {waiting[0].name}",
                    mend=f"Put a tank before {waiting[0].name} that takes it with what it has now.",
                )
            tears += _unknown(ready, names, known, maker)
        waiting.remove(ready)
        order.append(ready)
        known.update(ready.outlets)
    return UnitGroup(units=tuple(order), tears=tuple(tears))


def _unknown(unit: Unit, names: set[str], known: set[str], maker: dict[str, str]) -> list[str]:
    return [name for name in unit.inlets if maker.get(name) in names and name not in known]


def _components(needs: dict[str, list[str]]) -> list[list[str]]:
    """Return the strongly connected components, each after those it needs.

    Source: R. Tarjan, SIAM J. Comput. 1 (1972) 146.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in needs[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            begin = stack.index(name)
            members = set(stack[begin:])
            del stack[begin:]
            found.append([each for each in needs if each in members])

    for name in needs:
        if name not in index:
            visit(name)
    return found
