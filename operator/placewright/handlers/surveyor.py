"""What plans are made from, as the cluster shows it: pools with their GPUs, policies, profiles, Nodes and Pods."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

from placewright.api.gpu_pool import GPUPool
from placewright.api.parse import parse_policy, parse_pool, parse_profile
from placewright.api.performance_profile import PerformanceProfile
from placewright.api.placement_policy import PlacementPolicy
from placewright.api.policies import InputRules, input_rules
from placewright.api.price_rows import LivePrice
from placewright.api.surroundings import EMPTY, SharedPool, Surroundings, UnusablePool, ceilings
from placewright.core.errors import InvalidRequestError
from placewright.core.model import Ceiling, Pool
from placewright.handlers.cache import Json
from placewright.handlers.reflector import Reading, ReadTransport, Reflector
from placewright.kube import inventory
from placewright.kube.client import GPU_POOLS, NODES, PODS, POLICIES, PROFILES

Model = TypeVar("Model", bound=BaseModel)

_OURS = "placewright.dev/"
_NODES_ASKED_ONE_BY_ONE = 16  # for more Nodes one LIST of all Pods costs less than one for each


@dataclass(frozen=True, slots=True, kw_only=True)
class Known(Generic[Model]):
    """An object of one of our cluster-wide kinds.

    Attributes:
        name: of the object.
        generation: of its spec.
        model: its spec; None: it cannot be used.
        fault: why not; None: it can.
        resource: metadata and status as stored, for writing the status; a change of it alone is no news.
    """

    name: str
    generation: int
    model: Model | None
    fault: str | None
    resource: Json = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Everything around the requests at one moment.

    Attributes:
        observed: every pool whose GPUs could be looked up.
        surroundings: for reading requests.
        pools: the usable shared pools with all their GPUs, by name.
        ceilings: of the policies.
        fault: why requests with a pool selector cannot be planned now; empty: they can.
    """

    observed: tuple[inventory.ObservedPool, ...] = ()
    surroundings: Surroundings = EMPTY
    pools: dict[str, Pool] = field(default_factory=dict)
    ceilings: tuple[Ceiling, ...] = ()
    fault: str = ""


class LivePrices(Protocol):
    """The seam: what the policies' sources of prices give (`Prices` does)."""

    def live(self) -> tuple[LivePrice, ...]:
        """What is in force; the same object until something changes."""
        ...

    def settled(self) -> bool:
        """Whether they are known; until then nothing is planned."""
        ...

    async def known(self) -> None:
        """Returns once they are settled."""
        ...

    def wake(self) -> None:
        """Policies have changed."""
        ...


class NoPrices:
    """No policy has a source of prices."""

    def live(self) -> tuple[LivePrice, ...]:
        """Nothing."""
        return ()

    def settled(self) -> bool:
        """Nothing is to be waited for."""
        return True

    async def known(self) -> None:
        """At once."""

    def wake(self) -> None:
        """Nothing is to be done."""


class Surveyor:
    """Reads the cluster and makes a Survey of it.

    Args:
        transport: the API server.
        changed: called when there is something new to see.
        resync_seconds: between two full LISTs of each kind.
        now: wall clock.
    """

    def __init__(
        self,
        transport: ReadTransport,
        *,
        changed: Callable[[], None],
        resync_seconds: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._now = now
        self._changed = changed
        self._survey: Survey | None = None
        self._rules: Surroundings | None = None
        self._prices: LivePrices = NoPrices()
        more: dict[str, Any] = {"changed": self._news, "resync_seconds": resync_seconds}
        rules = {**more, "changed": self._new_rules}
        self.pools = Reflector(GPU_POOLS, transport, trim=_reader(parse_pool), **more)
        self.policies = Reflector(POLICIES, transport, trim=_reader(parse_policy), **rules)
        self.profiles = Reflector(PROFILES, transport, trim=_reader(parse_profile), **rules)
        self.nodes = Reflector(NODES, transport, trim=inventory.trim_node, **more)
        self.pods = Reflector(PODS, transport, trim=inventory.trim_pod, **more)

    def reflectors(self) -> tuple[Reflector[Any], ...]:
        """All of them, for running."""
        return self.pools, self.policies, self.profiles, self.nodes, self.pods

    def use_prices(self, prices: LivePrices) -> None:
        """Takes prices from here from now on; `prices_changed` is to be called when they change."""
        self._prices = prices

    def prices_changed(self) -> None:
        """A live price, or what is said of one, has changed."""
        if self._rules is not None and self._rules.prices != self._prices.live():
            self._rules = None
        self._news()

    async def known(self) -> None:
        """Returns once the API server has told what rules there are for requests, or that it will not tell."""
        for reflector in (self.pools, self.policies, self.profiles):
            await reflector.known()
        await self._prices.known()

    def rules(self) -> Surroundings:
        """What requests on pools of their own are read with; the same object until policies or profiles change."""
        if self._rules is None:
            self._rules = Surroundings(
                policies=_models(self.policies.objects()),
                profiles=_models(self.profiles.objects()),
                prices=self._prices.live(),
            )
        return self._rules

    def ceilings(self) -> tuple[Ceiling, ...]:
        """Limits on sums of costs that the policies set."""
        return ceilings(_models(self.policies.objects()))

    def input_rules(self) -> InputRules:
        """What the policies say of live inputs."""
        return input_rules(_models(self.policies.objects()))

    def observes(self) -> bool:
        """Whether a policy holds the plan of every request against what is observed of it."""
        given = (policy.spec.gates for policy in _models(self.policies.objects()))
        return any(gates is not None and gates.max_observed_cost_drift_percent is not None for gates in given)

    def has_books(self) -> bool:
        """Whether there is any pool or policy, whose status tells what plans take and cost."""
        return bool(self.pools.objects() or self.policies.objects())

    def survey(self) -> Survey | None:
        """The cluster as it is known now; the same object until something changes. None: not read yet."""
        if self._survey is None:
            self._survey = self._look()
        return self._survey

    async def refresh(self, names: Sequence[str]) -> None:
        """Reads the Nodes of these pools and the Pods on them anew; the next survey shows them.

        Raises:
            ApiError, UnreachableError: they could not be read.
        """
        survey = self.survey()
        wanted = [each for each in survey.observed if each.name in names] if survey is not None else []
        if not any(_from_nodes(self.pools.get(each.name)) for each in wanted):
            return
        await self.nodes.refresh("", lambda _: True)
        nodes = sorted({node for each in wanted for node in each.node_names})
        if len(nodes) > _NODES_ASKED_ONE_BY_ONE:
            await self.pods.refresh("", lambda _: True)
            return
        for node in nodes:
            await self.pods.refresh(f"spec.nodeName={node}", lambda pod, at=node: _node_of(pod) == at)  # type: ignore[misc]

    def _news(self) -> None:
        self._survey = None
        self._changed()

    def _new_rules(self) -> None:
        self._rules = None
        self._prices.wake()
        self._news()

    def _look(self) -> Survey | None:
        kinds = (self.pools, self.policies, self.profiles)
        if any(reflector.reading is Reading.PENDING for reflector in kinds):
            return None
        if not self._prices.settled():
            return None
        policies, profiles = _models(self.policies.objects()), _models(self.profiles.objects())
        prices = self._prices.live()
        found = ceilings(policies)
        pools = _models(self.pools.objects())
        fault = next((each.fault for each in kinds if each.reading is Reading.REFUSED), "")
        if any(pool.spec.node_selector is not None for pool in pools):
            sources = (self.nodes, self.pods)
            if any(each.reading is Reading.PENDING for each in sources):
                return None
            fault = fault or next((each.fault for each in sources if each.reading is not Reading.FRESH), "")
            if fault:
                pools = tuple(pool for pool in pools if pool.spec.node_selector is None)
        observed = inventory.observe_pools(
            pools, policies, self.nodes.objects(), self.pods.objects(), now=self._now(), prices=prices
        )
        surroundings = Surroundings(
            pools={each.name: _shared(each, each.pool) for each in observed if each.pool is not None},
            policies=policies,
            profiles=profiles,
            unusable={each.name: _unusable(each) for each in observed if each.pool is None},
            prices=prices,
        )
        usable = {name: shared.pool for name, shared in surroundings.pools.items()}
        return Survey(observed=observed, surroundings=surroundings, pools=usable, ceilings=found, fault=fault)


def _shared(observed: inventory.ObservedPool, pool: Pool) -> SharedPool:
    price = observed.price
    if price is None:
        return SharedPool(pool=pool, labels=observed.labels)
    return SharedPool(pool=pool, labels=observed.labels, price_as_of=price.as_of, price_fault=price.stale)


def _unusable(observed: inventory.ObservedPool) -> UnusablePool:
    ready = next((entry for entry in observed.conditions if entry.type == "Ready"), None)
    return UnusablePool(labels=observed.labels, reason=ready.reason if ready is not None else "not usable")


def _reader(parse: Callable[[Json], Model]) -> Callable[[Json], Known[Model]]:
    """What is kept of an object: its parsed spec, and what a status write needs."""

    def read(item: Json) -> Known[Model]:
        metadata = item["metadata"]
        kept = {name: metadata[name] for name in ("name", "labels", "generation") if name in metadata}
        asked = {name: text for name, text in (metadata.get("annotations") or {}).items() if name.startswith(_OURS)}
        if asked:
            kept["annotations"] = asked
        model, fault = None, None
        try:
            body: Json = {name: item[name] for name in ("apiVersion", "kind", "spec") if name in item}
            model = parse({**body, "metadata": kept})
        except InvalidRequestError as error:
            fault = str(error)
        stored = {name: metadata[name] for name in ("name", "uid", "generation", "resourceVersion")}
        return Known(
            name=metadata["name"],
            generation=int(metadata["generation"]),
            model=model,
            fault=fault,
            resource={"metadata": stored, "status": item.get("status") or {}},
        )

    return read


def _models(objects: Sequence[Known[Model]]) -> tuple[Model, ...]:
    """The usable ones, by name."""
    return tuple(known.model for known in sorted(objects, key=lambda each: each.name) if known.model is not None)


def _from_nodes(pool: Known[GPUPool] | None) -> bool:
    return pool is not None and pool.model is not None and pool.model.spec.node_selector is not None


def _node_of(pod: Json) -> str:
    return str((pod.get("spec") or {}).get("nodeName", ""))


Policies = Reflector[Known[PlacementPolicy]]
Profiles = Reflector[Known[PerformanceProfile]]
