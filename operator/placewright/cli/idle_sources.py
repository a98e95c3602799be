"""The requests that `placewright idle` looks at: of a cluster, or of files with their statuses."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from placewright.cli.connection import Connection
from placewright.cli.faults import Fault, FaultsError
from placewright.core.errors import InvalidRequestError
from placewright.telemetry.lenient import mapping

if TYPE_CHECKING:
    from placewright.api.placement_policy import PlacementPolicy
    from placewright.api.resource import PlacementRequest
    from placewright.handlers.acting.observing import Server
    from placewright.kube.steering import Steering

Json = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One request.

    Attributes:
        namespace: of the request.
        name: of the request.
        resource: None: this version cannot read it, and its status alone tells.
        body: the object as it was read.
    """

    namespace: str
    name: str
    resource: "PlacementRequest | None"
    body: Json

    @property
    def title(self) -> str:
        """`serving/chat`."""
        return f"{self.namespace}/{self.name}"

    @property
    def status(self) -> Json:
        """Empty: none is written yet."""
        return mapping(self.body, "status")

    @property
    def acts(self) -> bool:
        """Whether its workloads are driven: mode Apply, and not suspended."""
        spec = mapping(self.body, "spec")
        return spec.get("mode") == "Apply" and not spec.get("suspend")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was read.

    Attributes:
        subjects: requests.
        policies: all PlacementPolicies.
        notes: what the user should know, one line each.
        servers: Pods that answer requests, by the request's title; of those whose Pods carry our labels.
    """

    subjects: tuple[Subject, ...]
    policies: "tuple[PlacementPolicy, ...]"
    notes: tuple[str, ...]
    servers: "Mapping[str, tuple[Server, ...]]" = field(default_factory=dict)


def of_cluster(connection: Connection, namespace: str | None, name: str | None, *, pods: bool) -> Found:
    """Read one request or all.

    Args:
        connection: the cluster.
        namespace: None: all namespaces.
        name: None: all of the namespace.
        pods: whether the Pods of their replicas are read too.

    Raises:
        FaultsError: no credentials, no answer, no right, no such request.
    """
    from placewright.api import parse  # noqa: PLC0415 - --help needs no pydantic

    async def work(client: "Steering") -> tuple[list[Json], list[Json], list[Json], list[str]]:
        notes: list[str] = []
        bodies = await _requests(client, namespace, name)
        return bodies, await _policies(client, notes), await _pods(client, namespace, notes) if pods else [], notes

    bodies, policies, running, notes = connection.run(work)
    subjects = tuple(_subject(body) for body in bodies)
    if not subjects:
        notes.append(f"no PlacementRequests in {'the cluster' if namespace is None else f'namespace {namespace}'}")
    return Found(
        subjects=subjects,
        policies=tuple(_parsed(policies, "PlacementPolicy", parse.parse_policy, notes)),
        notes=tuple(notes),
        servers=_servers(subjects, running),
    )


def of_files(filenames: Sequence[str], namespace: str | None, name: str | None) -> Found:
    """Read requests with their statuses, and policies, from files.

    Raises:
        FaultsError: with every fault; or there is no such request.
    """
    from placewright.cli.reader import Reader  # noqa: PLC0415 - --help needs none of it

    reader = Reader()
    reader.read(filenames)
    reader.want_requests(", ".join(filenames))
    scene = reader.scene(namespace)
    subjects = tuple(
        Subject(namespace=each.key[0], name=each.key[1], resource=each.resource, body=_body(each.resource))
        for each in scene.requests
        if name in {None, each.key[1]} and namespace in {None, each.key[0]}
    )
    if name is not None and not subjects:
        wants = f"a PlacementRequest of {', '.join(filenames)}"
        raise FaultsError([Fault(place="NAME", got=f"{name}, which is not there", wants=wants)])
    servers = _servers(subjects, scene.pods)
    return Found(subjects=subjects, policies=scene.policies, notes=scene.notes, servers=servers)


async def _requests(client: "Steering", namespace: str | None, name: str | None) -> list[Json]:
    from placewright.kube.client import ApiError  # noqa: PLC0415 - --help needs no client

    if name is not None:
        one = await client.get_request(namespace or "default", name)
        if one is None:
            wants = f"a PlacementRequest of namespace {namespace}"
            raise FaultsError([Fault(place="NAME", got=f"{name}, which is not there", wants=wants)])
        return [one]
    try:
        return [each async for each in client.list_requests(namespace)]
    except ApiError as error:
        if error.status != 404:
            raise
        wants = "its definitions: placewright crds | kubectl apply -f -"
        raise FaultsError([Fault(place="the cluster", got="no kind PlacementRequest", wants=wants)]) from None


async def _policies(client: "Steering", notes: list[str]) -> list[Json]:
    from placewright.kube.client import ApiError  # noqa: PLC0415 - --help needs no client

    try:
        return list(await client.policies())
    except ApiError as error:
        if error.status not in {403, 404}:
            raise
        notes.append("PlacementPolicies cannot be read; what they say of idling is not known here")
        return []


async def _pods(client: "Steering", namespace: str | None, notes: list[str]) -> list[Json]:
    """The Pods that answer requests, one of each replica."""
    from placewright.kube.client import ApiError, Kind  # noqa: PLC0415 - --help needs no client
    from placewright.kube.manifests.names import LAYOUT_LABEL, ROLE_LABEL, SERVING  # noqa: PLC0415

    kind = Kind(plural="pods", group="api/v1", label_selector=f"{LAYOUT_LABEL},{ROLE_LABEL}={SERVING}")
    try:
        return [item async for page in client.list_pages(kind.inside(namespace or "")) for item in page.items]
    except ApiError as error:
        if error.status != 403:
            raise
        notes.append("Pods cannot be read; replicas are taken from the statuses, else from the plans")
        return []


def _servers(subjects: Iterable[Subject], pods: Iterable[Json]) -> "dict[str, tuple[Server, ...]]":
    """The Pods of each request that answer requests; one that is being deleted counts no more."""
    from placewright.handlers.acting.observing import server_of  # noqa: PLC0415 - --help needs none of it
    from placewright.kube.manifests.names import LAYOUT_LABEL, ROLE_LABEL, SERVING, service_name  # noqa: PLC0415

    found: dict[tuple[str, str], list[Server]] = {}
    for pod in pods:
        labels = mapping(mapping(pod, "metadata"), "labels")
        if LAYOUT_LABEL in labels and labels.get(ROLE_LABEL) == SERVING:
            server = server_of(dict(pod))
            if not server.going:
                found.setdefault((server.namespace, server.request), []).append(server)
    by_title = {each.title: found.get((each.namespace, service_name(each.name)), []) for each in subjects}
    return {title: tuple(servers) for title, servers in by_title.items() if servers}


def _subject(body: Json) -> Subject:
    from placewright.api import parse  # noqa: PLC0415 - --help needs no pydantic

    resource = next(iter(_parsed([body], "PlacementRequest", parse.parse, [])), None)
    meta = body["metadata"]
    return Subject(namespace=str(meta.get("namespace", "")), name=str(meta["name"]), resource=resource, body=body)


def _parsed(bodies: Iterable[Json], kind: str, parse: Callable[[Json], T], notes: list[str]) -> list[T]:
    from placewright.api.base import API_VERSION  # noqa: PLC0415 - --help needs no pydantic

    found = []
    for body in bodies:
        try:
            found.append(parse({"apiVersion": API_VERSION, "kind": kind, **body}))
        except InvalidRequestError as error:
            notes.append(f"{kind} {body['metadata'].get('name', '')} is left out: {' '.join(str(error).split())}")
    return found


def _body(resource: "PlacementRequest") -> dict[str, Any]:
    spec, meta = resource.spec, resource.metadata
    idle = {} if spec.idle is None else {"idle": spec.idle.model_dump(by_alias=True, exclude_none=True)}
    return {
        "metadata": {"name": meta.name, "namespace": meta.namespace, "annotations": meta.annotations or {}},
        "spec": {"mode": spec.mode, "suspend": spec.suspend, **idle},
        "status": dict(resource.status or {}),
    }
