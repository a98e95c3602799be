"""What a cluster holds, read once and only read: requests, pools, policies, profiles, Nodes, Pods."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from placewright.cli.faults import Fault, FaultsError
from placewright.cli.price_files import of_cluster
from placewright.cli.scene import Asking, Scene, Unreadable
from placewright.core.errors import InvalidRequestError, PlacewrightError

if TYPE_CHECKING:
    from placewright.api.resource import PlacementRequest
    from placewright.kube.client import Kind, KubeClient

T = TypeVar("T")
Json = dict[str, Any]

OPTION: Final = "--from-cluster"


def read_cluster(kubeconfig: str | None = None, context: str | None = None) -> Scene:
    """Read everything that a fleet is decided from.

    Args:
        kubeconfig: credentials; the usual places when left out.
        context: of the kubeconfig; its current one when left out.

    Raises:
        FaultsError: no credentials, nobody answers, a right is missing, or the cluster does not know our kinds.
    """
    from placewright.kube.access import access_for  # noqa: PLC0415 - --help needs no client

    try:
        access = access_for(kubeconfig, context)
    except PlacewrightError as error:
        raise FaultsError([error]) from None
    return asyncio.run(_read(access))


async def _read(access: Any) -> Scene:
    from placewright.kube import client as kube  # noqa: PLC0415 - --help needs no client

    async with access.session() as session:
        client = kube.KubeClient(session, access.server)
        try:
            if not await client.serves_requests():
                wants = "its definitions: placewright crds | kubectl apply -f -"
                raise FaultsError([Fault(place=f"{OPTION} {access.server}", got="no PlacementRequests", wants=wants)])
            requests = [body async for body in client.list_requests(None)]
            pools, policies, profiles, nodes, pods = [
                await _listed(client, kind)
                for kind in (kube.GPU_POOLS, kube.POLICIES, kube.PROFILES, kube.NODES, kube.PODS)
            ]
        except kube.ApiError as error:
            wants = "the right to list it" if error.status == 403 else "an API server that answers"
            raise FaultsError([Fault(place=OPTION, got=str(error), wants=wants)]) from None
        except kube.UnreachableError as error:
            raise FaultsError([Fault(place=OPTION, got=str(error), wants=f"an answer of {access.server}")]) from None
    return scene_of(requests=requests, pools=pools, policies=policies, profiles=profiles, nodes=nodes, pods=pods)


async def _listed(client: "KubeClient", kind: "Kind") -> list[Json]:
    from placewright.kube.client import ApiError  # noqa: PLC0415 - --help needs no client

    try:
        return [body async for page in _pages(client, kind) for body in page]
    except ApiError as error:
        if error.status == 404:  # a cluster whose definitions are older has none of these
            return []
        raise


async def _pages(client: "KubeClient", kind: "Kind") -> AsyncIterator[Iterable[Json]]:
    async for page in client.list_pages(kind):
        yield page.items


def scene_of(
    *,
    requests: Iterable[Json],
    pools: Iterable[Json],
    policies: Iterable[Json],
    profiles: Iterable[Json],
    nodes: Iterable[Json],
    pods: Iterable[Json],
) -> Scene:
    """Return the scene of objects as the API server holds them.

    What cannot be read is left out and told: an invalid request as such, other kinds in a note.
    """
    from placewright.api import parse  # noqa: PLC0415 - --help needs no pydantic

    notes: list[str] = []
    good, bad = _requests(requests)
    ruling = tuple(_parsed(policies, "PlacementPolicy", parse.parse_policy, notes))
    return Scene(
        requests=tuple(good),
        unreadable=tuple(bad),
        pools=tuple(_parsed(pools, "GPUPool", parse.parse_pool, notes)),
        policies=ruling,
        prices=of_cluster(ruling, now=time.time(), notes=notes),
        profiles=tuple(_parsed(profiles, "PerformanceProfile", parse.parse_profile, notes)),
        nodes=tuple(nodes),
        pods=tuple(pods),
        notes=tuple(notes),
    )


def _requests(bodies: Iterable[Json]) -> tuple[list[Asking], list[Unreadable]]:
    from placewright.api.parse import parse  # noqa: PLC0415 - --help needs no pydantic

    good: list[Asking] = []
    bad: list[Unreadable] = []
    for body in bodies:
        meta = body["metadata"]
        try:
            resource: PlacementRequest = parse(_whole(body, "PlacementRequest"))
        except InvalidRequestError as error:
            bad.append(Unreadable(body=body, error=error))
        else:
            place = f"the cluster's {meta.get('namespace', '')}/{meta['name']}"
            good.append(Asking(place=place, resource=resource, of_cluster=True))
    return good, bad


def _parsed(bodies: Iterable[Json], kind: str, parse: Callable[[Mapping[str, Any]], T], notes: list[str]) -> list[T]:
    found = []
    for body in bodies:
        try:
            found.append(parse(_whole(body, kind)))
        except InvalidRequestError as error:
            notes.append(f"{kind} {body['metadata'].get('name', '')} is left out: {' '.join(str(error).split())}")
    return found


def _whole(body: Json, kind: str) -> Json:
    """An item of a list, which need not repeat what the list says."""
    from placewright.api.base import API_VERSION  # noqa: PLC0415 - --help needs no pydantic

    return {"apiVersion": API_VERSION, "kind": kind, **body}
