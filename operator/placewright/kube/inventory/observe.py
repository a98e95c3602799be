"""From GPUPools, PlacementPolicies, Nodes and Pods to the GPUs that plans may take. Pure: values in, values out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from placewright.api.conditions import Condition
from placewright.api.gpu_pool import GPUPool
from placewright.api.placement_policy import PlacementPolicy
from placewright.api.price_rows import LivePrice
from placewright.core import model as core
from placewright.core.errors import InvalidRequestError
from placewright.kube.client import Json
from placewright.kube.inventory import problems
from placewright.kube.inventory.assembly import Rooms, linked, node_size, rooms
from placewright.kube.inventory.facts import Facts, facts_of
from placewright.kube.inventory.observed import LeftOut, ObservedPool, ObservedPrice
from placewright.kube.inventory.pricing import PriceTables, Pricing, pricing
from placewright.kube.inventory.resources import held_by_others
from placewright.kube.inventory.selection import Selection, claims, select

OLD_PRICE: Final = timedelta(days=365)
"""From this age on a price is worth a condition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What all pools are looked at with."""

    tables: PriceTables
    held: Mapping[tuple[str, str], int]
    claimed: Mapping[str, tuple[str, ...]]
    now: datetime


def observe_pools(
    pools: Sequence[GPUPool],
    policies: Sequence[PlacementPolicy],
    nodes: Sequence[Json],
    pods: Sequence[Json],
    *,
    now: datetime,
    prices: Sequence[LivePrice] = (),
) -> tuple[ObservedPool, ...]:
    """Find what each pool has.

    Nothing here fails: what is wrong with a pool stands in its conditions, and the other pools are not touched by it.

    Args:
        pools: GPUPools, each name once.
        policies: all PlacementPolicies, for their price tables.
        nodes: Nodes as the API server gives them, or trimmed (`trim_node`).
        pods: Pods of all namespaces, or trimmed (`trim_pod`).
        now: tells old prices.
        prices: what the policies' sources of prices give.

    Returns:
        One for each pool, in the order given.
    """
    with_gpus, plain = _read(nodes)
    wanted = {pool.metadata.name: _wanted(pool) for pool in pools}
    selections: dict[str, Selection] = {}
    for pool in pools:
        gpu = wanted[pool.metadata.name]
        if pool.spec.node_selector is not None and not isinstance(gpu, InvalidRequestError):
            selections[pool.metadata.name] = select(pool, gpu, with_gpus, plain)
    scene = _Scene(
        tables=PriceTables(policies, prices),
        held=held_by_others(pods),
        claimed=claims(list(selections.values())),
        now=now,
    )
    observed = []
    for pool in pools:
        gpu = wanted[pool.metadata.name]
        if isinstance(gpu, InvalidRequestError):
            observed.append(_invalid(pool, gpu))
        elif pool.spec.node_selector is not None:
            observed.append(_found(selections[pool.metadata.name], scene))
        else:
            assert gpu is not None, "declared stock has a GPU"
            observed.append(_declared(pool, gpu, scene))
    return tuple(observed)


def _read(nodes: Sequence[Json]) -> tuple[list[Facts], list[Mapping[str, str]]]:
    """Facts of the Nodes with GPUs, by name; labels of the others."""
    with_gpus, plain = [], []
    for node in nodes:
        facts = facts_of(node)
        if facts is None:
            plain.append(node["metadata"].get("labels") or {})
        else:
            with_gpus.append(facts)
    return sorted(with_gpus, key=lambda facts: facts.name), plain


def _wanted(pool: GPUPool) -> core.Accelerator | InvalidRequestError | None:
    """The kind that the spec names, with the links it names; None: the Nodes say it."""
    spec = pool.spec
    if (spec.stock is None) == (spec.node_selector is None):
        got = "neither" if spec.stock is None else "both"
        return InvalidRequestError("spec.stock", got=got, wants="exactly one of stock and nodeSelector")
    if spec.gpu is None and spec.accelerator is None:
        missing = InvalidRequestError("spec.gpu", got="nothing", wants="a key of the GPU catalog, beside stock")
        return missing if spec.stock is not None else None
    try:
        return linked(spec, spec.gpu or "", ())[0]
    except InvalidRequestError as error:
        return error


def _invalid(pool: GPUPool, error: InvalidRequestError) -> ObservedPool:
    reason = problems.UNKNOWN_GPU if error.field == "spec.gpu" and pool.spec.gpu else problems.INVALID_SPEC
    told = str(error)
    return _empty(pool, (problems.not_ready(reason, told), problems.problem(reason, told)), ())


def _empty(pool: GPUPool, conditions: tuple[Condition, ...], left_out: tuple[LeftOut, ...]) -> ObservedPool:
    return ObservedPool(
        name=pool.metadata.name,
        labels=pool.metadata.labels or {},
        generation=pool.metadata.generation or 0,
        pool=None,
        price=None,
        node_names=(),
        capacity=0,
        held_by_others=0,
        left_out=left_out,
        conditions=conditions,
    )


def _core_pool(pool: GPUPool, kind: str, price: ObservedPrice | None, like: Sequence[Facts]) -> core.Pool:
    """The pool without its nodes."""
    spec = pool.spec
    gpu, intra, inter = linked(spec, kind, like)
    return core.Pool(
        name=pool.metadata.name,
        gpu=gpu,
        nodes=0,
        gpus_per_node=1,
        price_per_gpu_hour=price.per_gpu_hour if price is not None else None,
        billing=core.Billing(spec.billing),
        intra_node_gbps=intra,
        inter_node_gbps=inter,
        max_tensor_parallel=spec.max_tensor_parallel,
        shared=True,
    )


# --------------------------------------------------------------------------------------------- declared stock


def _declared(pool: GPUPool, gpu: core.Accelerator, scene: _Scene) -> ObservedPool:
    stock = pool.spec.stock
    assert stock is not None
    priced = pricing(pool.spec.price_per_gpu_hour, gpu, (), scene.tables)
    made = replace(_core_pool(pool, gpu.name, priced.price, ()), nodes=stock.nodes, gpus_per_node=stock.gpus_per_node)
    looked_at = problems.of_pricing(priced, old=_old(priced.price, scene.now))
    told = f"{stock.nodes} x {stock.gpus_per_node} {gpu.name} as declared"
    return replace(
        _empty(pool, _conditions("StockDeclared", told, priced.price, looked_at), ()),
        pool=made,
        price=priced.price,
        capacity=made.gpus,
    )


# ------------------------------------------------------------------------------------------ found from Nodes


def _found(selection: Selection, scene: _Scene) -> ObservedPool:
    pool = selection.pool
    name = pool.metadata.name
    looked_at = problems.of_selection(selection)
    if selection.mixed or selection.gpu is None:
        kept_out = tuple(LeftOut(node.name, f"MixedGPUs: {node.kind or node.product}") for node in selection.ready)
        if selection.mixed:
            worst = next(each for each in looked_at if each.type == problems.MIXED_GPUS)
        else:
            worst = looked_at[0] if looked_at else _no_usable(selection.left_out)
        head = problems.not_ready(worst.reason, worst.message)
        return _empty(pool, (head, *looked_at), _by_name(selection.left_out, kept_out))
    claimed = {
        node.name: tuple(each for each in scene.claimed[node.name] if each != name)
        for node in selection.ready
        if node.name in scene.claimed
    }
    looked_at += problems.of_claims(claimed)
    own = [node for node in selection.ready if node.name not in claimed]
    space, priced, unpriced = _priced(selection, own, scene)
    looked_at += problems.of_pricing(priced, old=_old(priced.price, scene.now))
    twice = tuple(LeftOut(node, f"{problems.CLAIMED_TWICE}: also by {', '.join(o)}") for node, o in claimed.items())
    left_out = _by_name(selection.left_out, twice, space.left_out, unpriced)
    return _assembled(selection, space, priced.price, left_out, looked_at)


def _priced(selection: Selection, own: Sequence[Facts], scene: _Scene) -> tuple[Rooms, Pricing, tuple[LeftOut, ...]]:
    """Rooms and price; a Node without a price is left out while others have one."""
    spec, gpu = selection.pool.spec, selection.gpu
    assert gpu is not None
    whole_nodes = spec.billing == "PerNode"
    space = rooms(own, scene.held, whole_nodes=whole_nodes)
    priced = pricing(
        spec.price_per_gpu_hour, gpu, space.nodes or own or selection.ready or selection.like, scene.tables
    )
    if not priced.unpriced or not space.nodes:
        return space, priced, ()
    unpriced = tuple(
        LeftOut(node.name, f"NoPrice: {node.capacity_type}, {node.instance_type or 'no instance type'}")
        for node in own
        if node.name in priced.unpriced
    )
    rest = [node for node in own if node.name not in priced.unpriced]
    return rooms(rest, scene.held, whole_nodes=whole_nodes), priced, unpriced


def _assembled(
    selection: Selection,
    space: Rooms,
    price: ObservedPrice | None,
    left_out: tuple[LeftOut, ...],
    looked_at: list[Condition],
) -> ObservedPool:
    pool, gpu = selection.pool, selection.gpu
    assert gpu is not None
    like = space.nodes or selection.ready or selection.like
    made = replace(
        _core_pool(pool, gpu.name, price, like),
        nodes=len(space.nodes),
        gpus_per_node=node_size(gpu, space.nodes, like, pool.spec),
        rooms=space.free,
    )
    if space.nodes:
        told = f"{sum(space.free)} {gpu.name} on {len(space.nodes)} {problems.nodes_word(len(space.nodes))}"
        conditions = _conditions("NodesFound", told, price, looked_at)
    else:
        worst = next((each for each in looked_at if each.type in problems.ENDS_A_POOL), None) or _no_usable(left_out)
        conditions = (problems.not_ready(worst.reason, worst.message), *looked_at)
    return replace(
        _empty(pool, conditions, left_out),
        pool=made,
        price=price,
        node_names=tuple(node.name for node in space.nodes),
        capacity=sum(space.free),
        held_by_others=space.held,
    )


# ------------------------------------------------------------------------------------------------ conditions


def _conditions(
    reason: str, told: str, price: ObservedPrice | None, looked_at: Sequence[Condition]
) -> tuple[Condition, ...]:
    if price is None:
        missing = next(each for each in looked_at if each.type == problems.NO_PRICE)
        return (problems.not_ready(missing.reason, missing.message), *looked_at)
    return (problems.ready(reason, f"{told} at {problems.price_text(price)}"), *looked_at)


def _no_usable(left_out: Sequence[LeftOut]) -> Condition:
    told = problems.listed([f"{node}: {reason}" for node, reason in left_out])
    return problems.problem(problems.NO_USABLE_NODES, f"no Node of the pool can be used now ({told})")


def _old(price: ObservedPrice | None, now: datetime) -> bool:
    return price is not None and price.as_of is not None and now - price.as_of > OLD_PRICE


def _by_name(*parts: Sequence[LeftOut]) -> tuple[LeftOut, ...]:
    return tuple(sorted(entry for part in parts for entry in part))
