"""Banks whose organic flow is not the same everywhere: entrainment, and organic fed on the way.

Of its settled organic a stage sends a share down with the aqueous, of its settled aqueous a share
up with the organic. Both phases keep their own balance; what leaves the bank downward carries
organic along. Organic that is fed between the ends leaves the loop again behind the last stage.
"""

from __future__ import annotations

from typing import NamedTuple

from raffinate.numerics.jax_setup import Array, jnp, lax


class Entrainment(NamedTuple):
    """What settlers do not part, as shares of what settles.

    Attributes:
        organic: Share of the settled organic that goes down with the aqueous, (stage,), [-].
        aqueous: Share of the settled aqueous that goes up with the organic, (stage,), [-]; 0 in
            the last stage, whose organic is washed on its way back, and in padding.
    """

    organic: Array
    aqueous: Array


class OrganicFeeds(NamedTuple):
    """Organic that enters mixers from outside, beside what comes from the stage before.

    Attributes:
        flow: (feed,), [m³/s].
        concentration: (feed, carried), [mol/m³].
        stage: Stage each one enters, (feed,).
    """

    flow: Array
    concentration: Array
    stage: Array


class Entrained(NamedTuple):
    """Flows that entrainment, or organic fed on the way, makes.

    Attributes:
        organic_passed: Organic that goes on to the stage above, (stage,), [m³/s].
        organic_per_aqueous: Organic in what goes down or is drawn, by volume of the aqueous there,
            (stage,), [-].
        aqueous_up: Aqueous that goes up with the organic, (stage,), [m³/s].
        from_before: Share of the organic arriving that comes from the stage before, (stage,), [-].
        from_above: Share of it that comes down from the stage above, (stage,), [-].
        fed: What organic fed here brings, by volume of all that arrives, (stage, carried),
            [mol/m³]; None if none is fed.
    """

    organic_passed: Array
    organic_per_aqueous: Array
    aqueous_up: Array
    from_before: Array
    from_above: Array
    fed: Array | None = None


class SettledFlows(NamedTuple):
    """What settles in a bank.

    Attributes:
        aqueous: Leaving each settler, (stage,), [m³/s].
        passed: What of it goes on to the stage below, (stage,), [m³/s].
        organic: Leaving each settler, (stage,), [m³/s].
        entrained: What goes the wrong way.
    """

    aqueous: Array
    passed: Array
    organic: Array
    entrained: Entrained


def clean_settlers(stage_count: int) -> Entrainment:
    """Return the shares of settlers that part the phases clean."""
    return Entrainment(jnp.zeros(stage_count), jnp.zeros(stage_count))


def settled_flows(
    shares: Entrainment,
    organic_flow: Array,
    feeds: OrganicFeeds | None,
    fed: Array,
    drawn: Array,
) -> SettledFlows:
    """Return what settles where a share of each phase goes the wrong way, or organic is fed.

    With A and O what settles, e the shares and d the share drawn of what goes down,

        A[j] = fed[j] + (1 - e_a[j+1]) (1 - d[j+1]) A[j+1] + e_a[j-1] A[j-1]
        O[j] = fresh[j] + (1 - e_o[j-1]) O[j-1] + e_o[j+1] (1 - d[j+1]) O[j+1]

    Args:
        shares: Of every stage.
        organic_flow: Organic fed to stage 0, [m³/s].
        feeds: Organic fed on the way; None if there is none.
        fed: Aqueous fed to each stage, (stage,), [m³/s].
        drawn: Aqueous drawn from what leaves each stage downward, (stage,), [m³/s].
    """
    up, back = jnp.asarray(shares.aqueous), jnp.asarray(shares.organic)
    aqueous = _settled(before(up), after(1.0 - up), fed - after(drawn))
    downward = (1.0 - up) * aqueous
    passed = downward - drawn
    # Where no aqueous goes down none carries organic.
    flows = downward > 0.0
    safe = jnp.where(flows, downward, 1.0)
    onward = jnp.where(flows, passed / safe, 0.0) * back
    inlet = jnp.zeros_like(aqueous).at[0].set(organic_flow)
    entry = jnp.zeros((aqueous.shape[0], 0))
    if feeds is not None:
        stage = jnp.arange(aqueous.shape[0])
        entry = (jnp.asarray(feeds.stage)[None, :] == stage[:, None]) * jnp.asarray(feeds.flow)
    organic = _settled(before(1.0 - back), after(onward), inlet + entry.sum(axis=1))
    passed_up = (1.0 - back) * organic
    entrained = Entrained(
        organic_passed=passed_up,
        organic_per_aqueous=jnp.where(flows, back * organic / safe, 0.0),
        aqueous_up=up * aqueous,
        from_before=(inlet + before(passed_up)) / organic,
        from_above=after(onward * organic) / organic,
        fed=None if feeds is None else entry @ feeds.concentration / organic[:, None],
    )
    return SettledFlows(aqueous, passed, organic, entrained)


def before(value: Array) -> Array:
    """Return for every stage the value of the stage before, 0 for the first, (stage, ...)."""
    return jnp.zeros_like(value).at[1:].set(value[:-1])


def after(value: Array) -> Array:
    """Return for every stage the value of the stage after, 0 for the last, (stage, ...)."""
    return jnp.zeros_like(value).at[:-1].set(value[1:])


def along(share: Array, value: Array) -> Array:
    """Return share · value with one share per stage, (stage, ...)."""
    return share.reshape(-1, *([1] * (value.ndim - 1))) * value


def going_down(
    entrained: Entrained | None, aqueous: Array, organic: Array, carried: tuple[int, ...]
) -> Array:
    """Return what leaves each settler downward per volume of aqueous, entrained organic included.

    Args:
        entrained: What goes the wrong way; None if nothing does.
        aqueous: Settled aqueous, (stage, component, ...), [mol/m³], or a derivative of it.
        organic: Settled organic, (stage, carried, ...), likewise.
        carried: Indices of the components the organic carries.
    """
    if entrained is None:
        return aqueous
    return aqueous.at[:, jnp.array(carried)].add(along(entrained.organic_per_aqueous, organic))


def returned_organic(
    entrained: Entrained | None, organic_flow: Array, settled: Array, last: Array
) -> Array:
    """Return what the last stage sends back per volume of organic fed, (carried, ...).

    What was entrained out of the bank is made up with organic that brings no rare earth; what
    was fed on the way, and not lost, leaves the loop.

    Args:
        entrained: What goes the wrong way; None if nothing does.
        organic_flow: Organic fed to stage 0, [m³/s].
        settled: Settled organic, (stage, carried, ...), [mol/m³], or a derivative of it.
        last: Index of the last stage that exists.
    """
    leaving = settled[last]
    if entrained is None:
        return leaving
    returned: Array = jnp.minimum(entrained.organic_passed[last] / organic_flow, 1.0) * leaving
    return returned


def _settled(share_before: Array, share_after: Array, right: Array) -> Array:
    """Return u, (stage,), of u[n] - before[n] u[n-1] - after[n] u[n+1] = right[n]."""
    Pair = tuple[Array, Array]

    def forward(carry: Pair, row: tuple[Array, Array, Array]) -> tuple[Pair, Pair]:
        gain, partial = carry
        back, onward, enters = row
        pivot = 1.0 / (1.0 - back * gain)
        found = (onward * pivot, (enters + back * partial) * pivot)
        return found, found

    def backward(following: Array, row: Pair) -> Pair:
        gain, partial = row
        here = partial + gain * following
        return here, here

    zero = jnp.zeros(())
    _, rows = lax.scan(forward, (zero, zero), (share_before, share_after, right))
    _, found = lax.scan(backward, zero, rows, reverse=True)
    return found
