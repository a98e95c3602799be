"""Steering all requests of a cluster at once, by annotations of its PlacementPolicies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from placewright.cli.connection import Connection
from placewright.cli.faults import Fault, FaultsError
from placewright.cli.steering import Json, condition_of, signed

if TYPE_CHECKING:
    from placewright.kube.steering import Annotations, Steering

_BRAKE: Final = "BrakeEngaged"
_HOW_TO_MAKE_ONE: Final = (
    "one that can be annotated: apiVersion placewright.dev/v1alpha1, kind PlacementPolicy, metadata {name: default},"
    " spec {}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of the fleet before it is steered.

    Attributes:
        policies: by name.
        chosen: the policy that is annotated: the one that is named, else the first by name.
        braked: requests that the brake holds; None: they may not be listed.
        failed_at: when a rollout failed last, as the statuses tell it; empty: none did.
    """

    policies: tuple[Json, ...]
    chosen: Json
    braked: tuple[str, ...] | None
    failed_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The requests of a cluster, and the policy that speaks for them.

    Attributes:
        policy: name of the PlacementPolicy to annotate; None: the first by name.
        connection: the cluster.
    """

    policy: str | None
    connection: Connection

    def annotate(self, decide: Callable[[Seen], Mapping[str, "Annotations"]]) -> Seen:
        """Write annotations on policies, with the name of who does it; returns what was seen before.

        Args:
            decide: says what to write, by the policy's name.

        Raises:
            FaultsError: no credentials, no answer, no right, no such policy.
        """
        from placewright.kube.steering import policy_path  # noqa: PLC0415 - --help needs no client

        async def work(client: "Steering") -> Seen:
            seen = await self._seen(client)
            for name, wanted in decide(seen).items():
                path = policy_path(name)
                done = await client.annotate(path, await signed(client, _only_what_changes(wanted)))
                if done is None:
                    raise _missing(name, ())
            return seen

        return self.connection.run(work)

    async def _seen(self, client: "Steering") -> Seen:
        policies = await client.policies()
        braked, failed_at = await _brake(client)
        return Seen(policies=tuple(policies), chosen=self._chosen(policies), braked=braked, failed_at=failed_at)

    def _chosen(self, policies: Sequence[Json]) -> Json:
        if not policies:
            got = "a cluster without PlacementPolicies"
            raise FaultsError([Fault(place="--fleet", got=got, wants=_HOW_TO_MAKE_ONE)])
        for each in policies:
            if self.policy in {None, name_of(each)}:
                return each
        raise _missing(str(self.policy), policies)


def name_of(resource: Json) -> str:
    """Return the name of an object."""
    return str(resource["metadata"]["name"])


def paused(seen: Seen) -> dict[str, str]:
    """Return why the fleet is paused, by the policy that says so; empty: it is not."""
    from placewright.api.annotations import pause_of  # noqa: PLC0415 - --help needs none of it

    told = {name_of(each): pause_of(each) for each in seen.policies}
    return {name: why for name, why in told.items() if why}


def _only_what_changes(wanted: "Annotations") -> Callable[[Json], "Annotations"]:
    def decide(resource: Json) -> "Annotations":
        stands = resource["metadata"].get("annotations") or {}
        return {name: value for name, value in wanted.items() if stands.get(name) != value}

    return decide


async def _brake(client: "Steering") -> tuple[tuple[str, ...] | None, str]:
    from placewright.kube.client import ApiError  # noqa: PLC0415 - --help needs no client

    try:
        found: list[dict[str, Any]] = [each async for each in client.list_requests(None)]
    except ApiError as error:
        if error.status == 403:
            return None, ""
        raise
    braked = [each for each in found if condition_of(each, "Applied").get("reason") == _BRAKE]
    failures = [str(((each.get("status") or {}).get("rollout") or {}).get("failedAt") or "") for each in found]
    titles = (f"{each['metadata']['namespace']}/{name_of(each)}" for each in braked)
    return tuple(sorted(titles)), max(failures, default="")


def _missing(name: str, policies: Sequence[Json]) -> FaultsError:
    known = ", ".join(name_of(each) for each in policies[:5])
    wants = f"one of {known}" if known else "a PlacementPolicy"
    return FaultsError([Fault(place="--policy", got=f"{name}, which is not there", wants=wants)])
