"""`--what-if`: one change of stock, price or demand in a few words, parsed and applied to what was read.

The forms stand in `WANTS`. A price may also name a GPU kind, which means all its pools.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from placewright.cli.faults import Fault, FaultsError
from placewright.cli.scene import Asking, Json, Scene

if TYPE_CHECKING:
    from placewright.api.gpu_pool import GPUPool
    from placewright.kube.inventory import ObservedPool

OPTION: Final = "--what-if"
WANTS: Final = (
    "'pool NAME nodes+2' (or nodes-1, nodes=6), 'price NAME=0.9' (or NAME*1.2), "
    "'request NAME rps*2' (or rps=4, priority=10)"
)

_NAME: Final = r"(?P<name>[A-Za-z0-9][A-Za-z0-9./-]*?)"
_NUMBER: Final = r"(?P<number>[0-9]+(?:\.[0-9]+)?)"
_FORMS: Final = (
    re.compile(rf"(?P<kind>pool)\s+{_NAME}\s+(?P<field>nodes)\s*(?P<sign>[=+-])\s*{_NUMBER}"),
    re.compile(rf"(?P<kind>price)\s+{_NAME}\s*(?P<field>)(?P<sign>[=*])\s*{_NUMBER}"),
    re.compile(rf"(?P<kind>request)\s+{_NAME}\s+(?P<field>rps)\s*(?P<sign>[=+*-])\s*{_NUMBER}"),
    re.compile(rf"(?P<kind>request)\s+{_NAME}\s+(?P<field>priority)\s*(?P<sign>[=+-])\s*{_NUMBER}"),
)

Sign = Literal["=", "+", "-", "*"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change. `field` is nodes, rps, priority, or empty for a price."""

    text: str
    kind: Literal["pool", "price", "request"]
    name: str
    field: str
    sign: Sign
    number: float

    def of(self, value: float) -> float:
        """The value after the change."""
        match self.sign:
            case "=":
                return self.number
            case "+":
                return value + self.number
            case "-":
                return value - self.number
            case "*":
                return value * self.number


def parse(texts: Iterable[str]) -> tuple[Change, ...]:
    """Read changes.

    Raises:
        FaultsError: with a line for each that is none; it lists what is possible.
    """
    found, faults = [], []
    for text in texts:
        match = next(filter(None, (form.fullmatch(text.strip()) for form in _FORMS)), None)
        if match is None:
            faults.append(Fault(place=OPTION, got=repr(text), wants=WANTS))
            continue
        change = Change(
            text=" ".join(text.split()),
            kind=cast("Literal['pool', 'price', 'request']", match["kind"]),
            name=match["name"],
            field=match["field"],
            sign=cast("Sign", match["sign"]),
            number=float(match["number"]),
        )
        faults += _nonsense(change)
        found.append(change)
    if faults:
        raise FaultsError(faults)
    return tuple(found)


def _nonsense(change: Change) -> list[Fault]:
    whole = change.field in ("nodes", "priority")
    if whole and not change.number.is_integer():
        return [Fault(place=OPTION, got=repr(change.text), wants="a whole number")]
    if change.kind == "price" and change.number == 0:
        return [Fault(place=OPTION, got=repr(change.text), wants="a price above 0")]
    return []


def apply(scene: Scene, changes: Sequence[Change], observe: Callable[[Scene], "Sequence[ObservedPool]"]) -> Scene:
    """Make the changes, one after the other.

    Args:
        scene: what was read.
        changes: what to change.
        observe: which Nodes each pool has.

    Raises:
        FaultsError: a name that is not there (the line lists those that are), or a value that cannot be.
    """
    for change in changes:
        match change.kind:
            case "pool":
                scene = _with_nodes(scene, change, observe(scene))
            case "price":
                scene = _with_price(scene, change, observe(scene))
            case "request":
                scene = _with_request(scene, change)
    return scene


def _refuse(change: Change, got: str, wants: str) -> FaultsError:
    return FaultsError([Fault(place=f"{OPTION} {change.text!r}", got=got, wants=wants)])


def _listing(names: Iterable[str], what: str) -> str:
    known = sorted(set(names))
    return f"one of the {what}s {', '.join(known)}" if known else f"a {what}, and there is none"


def _whole(change: Change, value: int) -> int:
    after = int(change.of(value))
    if after < 0:
        raise _refuse(change, f"{after} {change.field} (there are {value})", "0 or more")
    return after


# ------------------------------------------------------------------------------------------------------- stock


def _with_nodes(scene: Scene, change: Change, observed: "Sequence[ObservedPool]") -> Scene:
    pool = next((each for each in scene.pools if each.metadata.name == change.name), None)
    if pool is None:
        return _with_private(scene, change, _private_nodes)
    if pool.spec.stock is not None:
        nodes = _whole(change, pool.spec.stock.nodes)
        stock = pool.spec.stock.model_copy(update={"nodes": nodes})
        return scene.with_pool(pool.model_copy(update={"spec": pool.spec.model_copy(update={"stock": stock})}))
    seen = next(each for each in observed if each.name == change.name)
    wanted = _whole(change, len(seen.node_names))
    if wanted <= len(seen.node_names):
        # What is freest goes first: a node that others use is not the one that is switched off.
        gone = set(seen.node_names[: len(seen.node_names) - wanted])
        return scene.with_nodes(node for node in scene.nodes if _name(node) not in gone)
    pattern = next((node for node in scene.nodes if seen.node_names and _name(node) == seen.node_names[0]), None)
    if pattern is None:
        raise _refuse(change, "a pool without a Node that could be copied", "spec.stock in the GPUPool, or a Node")
    taken = {_name(node) for node in scene.nodes}
    names = _fresh(f"{change.name}-what-if-", taken, wanted - len(seen.node_names))
    return scene.with_nodes([*scene.nodes, *(_copy(pattern, name) for name in names)])


def _fresh(stem: str, taken: set[str], count: int) -> list[str]:
    found: list[str] = []
    number = 0
    while len(found) < count:
        number += 1
        if f"{stem}{number}" not in taken:
            found.append(f"{stem}{number}")
    return found


def _name(node: Json) -> str:
    return str((node.get("metadata") or {}).get("name", ""))


def _copy(node: Json, name: str) -> dict[str, Any]:
    return {**node, "metadata": {**(node.get("metadata") or {}), "name": name}}


# ------------------------------------------------------------------------------------------------------- price


def _with_price(scene: Scene, change: Change, observed: "Sequence[ObservedPool]") -> Scene:
    prices = {each.name: None if each.price is None else each.price.per_gpu_hour for each in observed}
    kinds = {each.name: each.pool.gpu.name for each in observed if each.pool is not None}
    named = [each for each in scene.pools if each.metadata.name == change.name]
    meant = named or [each for each in scene.pools if kinds.get(each.metadata.name) == change.name]
    if not meant:
        return _with_private(scene, change, _private_price)
    for pool in meant:
        scene = scene.with_pool(_priced(pool, change, prices.get(pool.metadata.name)))
    return scene


def _priced(pool: "GPUPool", change: Change, price: float | None) -> "GPUPool":
    spec = pool.spec.model_copy(update={"price_per_gpu_hour": _price(change, price)})
    return pool.model_copy(update={"spec": spec})


def _price(change: Change, price: float | None) -> float:
    if price is None and change.sign != "=":
        raise _refuse(change, "a pool without a price", f"'price {change.name}=0.9'")
    return change.of(price or 0.0)


# ---------------------------------------------------------------------------------------------- private pools


def _with_private(scene: Scene, change: Change, changed: Callable[[Any, Change], Any]) -> Scene:
    """Change the pools of that name that stand in requests."""
    found = False
    for asking in scene.requests:
        spec = asking.resource.spec
        pools = [changed(pool, change) if _is_meant(pool, change) else pool for pool in spec.pools or ()]
        if any(_is_meant(pool, change) for pool in spec.pools or ()):
            found = True
            scene = scene.with_request(_with_spec(asking, pools=pools))
    if not found:
        private = [pool.name for each in scene.requests for pool in each.resource.spec.pools or ()]
        names = [*(pool.metadata.name for pool in scene.pools), *private]
        raise _refuse(change, f"no pool {change.name!r}", _listing(names, "pool"))
    return scene


def _is_meant(pool: Any, change: Change) -> bool:
    return change.name == pool.name or (change.kind == "price" and change.name == pool.gpu)


def _private_nodes(pool: Any, change: Change) -> Any:
    nodes = _whole(change, pool.nodes)
    if nodes == 0:
        raise _refuse(change, "0 nodes in spec.pools of a request", "1 or more")
    return pool.model_copy(update={"nodes": nodes})


def _private_price(pool: Any, change: Change) -> Any:
    return pool.model_copy(update={"price_per_gpu_hour": _price(change, pool.price_per_gpu_hour)})


# ---------------------------------------------------------------------------------------------------- requests


def _with_request(scene: Scene, change: Change) -> Scene:
    asking = _asking(scene, change)
    spec = asking.resource.spec
    if change.field == "priority":
        return scene.with_request(_with_spec(asking, priority=int(change.of(spec.priority))))
    workload = spec.workload
    if workload.classes:
        if change.sign != "*" and len(workload.classes) > 1:
            got = f"a request with {len(workload.classes)} classes"
            raise _refuse(change, got, f"a factor for all of them: 'request {change.name} rps*2'")
        classes = [
            each.model_copy(update={"requests_per_second": _rate(change, each.requests_per_second)})
            for each in workload.classes
        ]
        return scene.with_request(_with_spec(asking, workload=workload.model_copy(update={"classes": classes})))
    if workload.requests_per_second is None and change.sign != "=":
        raise _refuse(change, "a request without a demand", f"'request {change.name} rps=4'")
    rate = _rate(change, workload.requests_per_second or 0.0)
    return scene.with_request(_with_spec(asking, workload=workload.model_copy(update={"requests_per_second": rate})))


def _asking(scene: Scene, change: Change) -> Asking:
    meant = [each for each in scene.requests if change.name in (each.key[1], "/".join(each.key))]
    titles = ["/".join(each.key) for each in scene.requests]
    if not meant:
        raise _refuse(change, f"no request {change.name!r}", _listing(titles, "request"))
    if len(meant) > 1:
        several = " and ".join("/".join(each.key) for each in meant)
        raise _refuse(change, f"a name of {several}", "NAMESPACE/NAME")
    return meant[0]


def _rate(change: Change, rate: float) -> float:
    after = change.of(rate)
    if not (isfinite(after) and after > 0):
        raise _refuse(change, f"{after:g} requests/s (now {rate:g})", "more than 0")
    return after


def _with_spec(asking: Asking, **changed: Any) -> Asking:
    spec = asking.resource.spec.model_copy(update=changed)
    return replace(asking, resource=asking.resource.model_copy(update={"spec": spec}))
