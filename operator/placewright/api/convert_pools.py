"""Pools for the core: those of a spec with the catalog's facts, and the GPUPools that a selector takes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from placewright import catalog
from placewright.api import hardware as api
from placewright.api.prices import policy_price
from placewright.api.spec import PlacementRequestSpec
from placewright.api.surroundings import NoPoolsError, Surroundings, selects
from placewright.core import model as core
from placewright.core.errors import InvalidRequestError
from placewright.core.figures import number

_SHOWN_POOLS: Final = 5


def pools_of(spec: PlacementRequestSpec, surroundings: Surroundings) -> tuple[core.Pool, ...]:
    """Return the pools that a request may use: its own, or the GPUPools that its selector takes, by name.

    Raises:
        InvalidRequestError: a pool does not hold together with the catalog.
        NoPoolsError: the selector takes no GPUPool that can be used.
    """
    if (spec.pools is None) == (spec.pool_selector is None):
        raise InvalidRequestError(
            "spec.pools",
            got="nothing" if spec.pools is None else "pools beside poolSelector",
            wants="exactly one of pools (GPUs of its own) and poolSelector (shared GPUPools)",
        )
    if spec.pool_selector is not None:
        return _selected(spec.pool_selector, surroundings)
    return tuple(_pool(pool, f"spec.pools[{index}]", surroundings) for index, pool in enumerate(spec.pools or ()))


def price_notes(spec: PlacementRequestSpec, pools: Sequence[core.Pool]) -> tuple[str, ...]:
    """Say which prices of a request's own pools are a policy's."""
    if spec.pools is None:
        return ()
    return tuple(
        f"pool {pool.name} has the price of a PlacementPolicy, ${number(pool.price_per_gpu_hour)} per GPU and hour"
        for given, pool in zip(spec.pools, pools, strict=True)
        if given.price_per_gpu_hour is None and pool.price_per_gpu_hour is not None
    )


def _selected(selector: api.LabelSelector, surroundings: Surroundings) -> tuple[core.Pool, ...]:
    usable = surroundings.pools
    chosen = [name for name in sorted(usable) if selects(selector, usable[name].labels)]
    if chosen:
        return tuple(replace(usable[name].pool, shared=True) for name in chosen)
    broken = surroundings.unusable
    matched = [f"{name}: {broken[name].reason}" for name in sorted(broken) if selects(selector, broken[name].labels)]
    if matched:
        raise NoPoolsError(
            "spec.poolSelector",
            got=f"only GPUPools that cannot be used ({_listed(matched)})",
            wants="a GPUPool with usable GPUs and a price",
        )
    known = [_labelled(name, shared.labels) for name, shared in sorted(usable.items())]
    known += [_labelled(name, each.labels) for name, each in sorted(broken.items())]
    raise NoPoolsError(
        "spec.poolSelector",
        got=f"no GPUPool with {_selector_text(selector)}",
        wants=f"the labels of a GPUPool; there {'is' if len(known) == 1 else 'are'} {_listed(known)}"
        if known
        else "the labels of a GPUPool; there is none",
    )


def _listed(entries: Sequence[str]) -> str:
    more = f" and {len(entries) - _SHOWN_POOLS} more" if len(entries) > _SHOWN_POOLS else ""
    return ", ".join(entries[:_SHOWN_POOLS]) + more


def _labelled(name: str, labels: Mapping[str, str]) -> str:
    told = " ".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return f"{name} ({told or 'no labels'})"


def _selector_text(selector: api.LabelSelector) -> str:
    """Write a selector as kubectl does: `tier=serving,zone in (a,b),!spot`."""
    terms = [f"{key}={value}" for key, value in sorted((selector.match_labels or {}).items())]
    for term in selector.match_expressions or ():
        values = ",".join(term.values or ())
        written = {
            "In": f"{term.key} in ({values})",
            "NotIn": f"{term.key} notin ({values})",
            "Exists": term.key,
            "DoesNotExist": f"!{term.key}",
        }
        terms.append(written[term.operator])
    return ",".join(terms) or "any labels"


# ------------------------------------------------------------------------------------------- pools of the spec


def _pool(given: api.Pool, where: str, surroundings: Surroundings) -> core.Pool:
    gpu, intra, inter = hardware(given.gpu, given.accelerator, given.interconnect, where)
    price = given.price_per_gpu_hour
    if price is None:
        listed = policy_price(surroundings.policies, gpu.name, live=surroundings.prices).price
        price = listed.per_gpu_hour if listed is not None else None
    return core.Pool(
        name=given.name,
        gpu=gpu,
        nodes=given.nodes,
        gpus_per_node=given.gpus_per_node,
        price_per_gpu_hour=price,
        billing=core.Billing(given.billing),
        intra_node_gbps=intra,
        inter_node_gbps=inter,
        max_tensor_parallel=given.max_tensor_parallel,
    )


def hardware(
    key: str | None, accelerator: api.Accelerator | None, interconnect: api.Interconnect | None, where: str
) -> tuple[core.Accelerator, float, float]:
    """Return a pool's GPU, and GB/s inside a node and between nodes; the catalog fills what is left out.

    Args:
        key: of the GPU catalog; or None.
        accelerator: all facts of a GPU; or None. Exactly one of both is given.
        interconnect: links; needed with accelerator.
        where: the pool's place, for faults.

    Raises:
        InvalidRequestError: both or neither are given, links are missing, or the catalog does not hold the key.
    """
    if (key is None) == (accelerator is None):
        raise InvalidRequestError(
            where,
            got="both gpu and accelerator" if key else "neither gpu nor accelerator",
            wants="exactly one of gpu (a key of the GPU catalog) and accelerator (all facts of the GPU)",
        )
    links = interconnect or api.Interconnect()
    if accelerator is not None:
        if links.intra_node_gbps is None or links.inter_node_gbps is None:
            raise InvalidRequestError(
                f"{where}.interconnect",
                got="no intraNodeGBps and interNodeGBps" if interconnect is None else "only one rate",
                wants="both, since the catalog does not hold the accelerator",
            )
        return _accelerator(accelerator), links.intra_node_gbps, links.inter_node_gbps
    return _of_catalog(key or "", links, where)


def _of_catalog(key: str, links: api.Interconnect, where: str) -> tuple[core.Accelerator, float, float]:
    try:
        gpu, defaults = catalog.gpu(key), catalog.gpu_defaults(key)
    except catalog.UnknownKeyError as error:
        near = f"{', '.join(error.suggestions)} or another" if error.suggestions else "a"
        raise InvalidRequestError(
            f"{where}.gpu", got=repr(key), wants=f"{near} key of the GPU catalog, or accelerator in its place"
        ) from error
    if links.intra_node_gbps is not None:
        gpu = replace(gpu, all_reduce_gbps=0.0)  # what the user says of these nodes wins over the usual node
    return (
        gpu,
        links.intra_node_gbps if links.intra_node_gbps is not None else defaults.intra_node_gbps,
        links.inter_node_gbps if links.inter_node_gbps is not None else defaults.inter_node_gbps,
    )


def _accelerator(given: api.Accelerator) -> core.Accelerator:
    capability = None
    if given.compute_capability is not None:
        major, minor = given.compute_capability.split(".")
        capability = (int(major), int(minor))
    return core.Accelerator(
        name=given.name,
        memory_gib=given.memory_gib,
        memory_bandwidth_gbps=given.memory_bandwidth_gbps,
        tflops_16bit=given.tflops_16bit,
        tflops_fp8=given.tflops_fp8,
        tops_int8=given.tops_int8,
        tflops_fp4=given.tflops_fp4,
        supports_bf16=given.supports_bf16,
        compute_capability=capability,
        vendor=given.vendor,
        all_reduce_gbps=given.all_reduce_gbps or 0.0,
    )
