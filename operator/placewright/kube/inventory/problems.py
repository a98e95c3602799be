"""What somebody should look at in a GPUPool, in the words of conditions."""

from collections.abc import Mapping, Sequence
from typing import Final

from placewright.api.conditions import Condition
from placewright.api.figures import figure
from placewright.core.figures import number
from placewright.kube.inventory.facts import Facts
from placewright.kube.inventory.observed import LeftOut, ObservedPrice
from placewright.kube.inventory.pricing import Pricing
from placewright.kube.inventory.selection import Selection

NO_NODES_MATCH: Final = "NoNodesMatch"
NO_USABLE_NODES: Final = "NoUsableNodes"
NO_PRICE: Final = "NoPrice"
UNKNOWN_GPU: Final = "UnknownGPU"
MIXED_GPUS: Final = "MixedGPUs"
CLAIMED_TWICE: Final = "NodesClaimedTwice"
PRICE_IGNORED: Final = "PriceIgnored"
PRICES_DIFFER: Final = "PricesDiffer"
PRICE_ELSEWHERE: Final = "PriceOfOtherRegion"
PRICE_OLD: Final = "PriceOld"
PRICES_STALE: Final = "PricesStale"
PRICES_HELD_BACK: Final = "PricesHeldBack"
INVALID_SPEC: Final = "InvalidSpec"

ENDS_A_POOL: Final = frozenset({NO_NODES_MATCH, UNKNOWN_GPU, CLAIMED_TWICE})
"""What is said of a pool that has no usable Node, before what is said of each of them."""

_SHOWN: Final = 5


def problem(reason: str, message: str) -> Condition:
    """Return a condition that is there only while something is wrong."""
    return Condition(type=reason, status="True", reason=reason, message=message)


def ready(reason: str, message: str) -> Condition:
    """Return Ready: True."""
    return Condition(type="Ready", status="True", reason=reason, message=message)


def not_ready(reason: str, message: str) -> Condition:
    """Return Ready: False."""
    return Condition(type="Ready", status="False", reason=reason, message=message)


def listed(entries: Sequence[str]) -> str:
    """Write the first few of many."""
    more = f" and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
    return ", ".join(entries[:_SHOWN]) + more


def of_selection(selection: Selection) -> list[Condition]:
    """Say when no Node matches, when a GPU is unknown, and when there are several kinds."""
    found = []
    if not selection.matched:
        seen = selection.without_gpus
        nobody = f"{seen} {nodes_word(seen)} match, and nothing on them points to GPUs"
        told = nobody if seen else "no Node has these labels"
        found.append(problem(NO_NODES_MATCH, f"spec.nodeSelector: {told}"))
    unknown = _by_reason(selection.left_out, UNKNOWN_GPU)
    if unknown:
        found.append(problem(UNKNOWN_GPU, "; ".join(f"{told} ({listed(nodes)})" for told, nodes in unknown.items())))
    if selection.mixed:
        kinds = {
            kind: [node.name for node in _all(selection) if kind in {node.kind, node.product}]
            for kind in selection.kinds
        }
        told = "; ".join(f"{kind} on {listed(nodes)}" for kind, nodes in kinds.items())
        found.append(problem(MIXED_GPUS, f"{told}: name one in spec.gpu, or narrow spec.nodeSelector"))
    return found


def of_claims(claimed: Mapping[str, Sequence[str]]) -> list[Condition]:
    """Name the Nodes that other pools claim as well, and those pools."""
    if not claimed:
        return []
    told = [f"{node} (also {', '.join(pools)})" for node, pools in sorted(claimed.items())]
    return [problem(CLAIMED_TWICE, f"in no pool until only one claims it: {listed(told)}")]


def of_pricing(pricing: Pricing, *, old: bool) -> list[Condition]:
    """Say when there is no price, or when it may not be right."""
    found = []
    price = pricing.price
    if price is None:
        found.append(
            problem(
                NO_PRICE,
                "give spec.pricePerGPUHour, an entry in a PlacementPolicy's spec.prices, or the annotation"
                " placewright.dev/price-per-gpu-hour on the Nodes",
            )
        )
    if pricing.ignored:
        found.append(problem(PRICE_IGNORED, f"no positive number of USD on Node {listed(pricing.ignored)}"))
    if pricing.held:
        found.append(problem(PRICES_HELD_BACK, listed(pricing.held)))
    if price is not None and price.stale:
        found.append(problem(PRICES_STALE, f"{price_text(price)} stays in force: {price.stale}"))
    if pricing.differing:
        told = f"the dearest counts for all ({listed(pricing.differing)}); make a pool of each price"
        found.append(problem(PRICES_DIFFER, told))
    if price is not None and pricing.elsewhere:
        told = f"{price_text(price)} is the list price of {pricing.elsewhere}, and the Nodes are in another region"
        found.append(problem(PRICE_ELSEWHERE, told))
    if price is not None and price.as_of is not None and old:
        found.append(problem(PRICE_OLD, f"{price_text(price)} is of {price.as_of:%Y-%m-%d}: state a newer one"))
    return found


def price_text(price: ObservedPrice) -> str:
    """Write a price and where it comes from: `$1.20 (PlacementPolicy default)`."""
    return f"${number(figure(price.per_gpu_hour), 6)} per GPU and hour ({price.detail or price.source})"


def nodes_word(count: int) -> str:
    """Return Node or Nodes."""
    return "Node" if count == 1 else "Nodes"


def _by_reason(left_out: Sequence[LeftOut], word: str) -> dict[str, list[str]]:
    """Nodes by what follows the word in their reason."""
    found: dict[str, list[str]] = {}
    for entry in left_out:
        head, _, told = entry.reason.partition(": ")
        if head == word:
            found.setdefault(told, []).append(entry.node)
    return found


def _all(selection: Selection) -> list[Facts]:
    return sorted((*selection.ready, *selection.like), key=lambda node: node.name)
