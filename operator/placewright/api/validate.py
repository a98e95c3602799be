"""Validation without a cluster, equal to what the API server and the operator say of a manifest."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Generic

from pydantic import ValidationError

from placewright.api import cel
from placewright.api.base import API_VERSION, GROUP, Inert
from placewright.api.cluster_objects import CLUSTER_KINDS
from placewright.api.gpu_pool import GPUPool
from placewright.api.kinds import KINDS
from placewright.api.load import Document, Fault, load
from placewright.api.parse import FieldFault, Location, Resource, check_calendar, field_faults, path_text, plain, shown
from placewright.api.performance_profile import PerformanceProfile
from placewright.api.placement_policy import PlacementPolicy
from placewright.api.resource import KIND, PlacementRequest
from placewright.core.errors import InvalidRequestError

_SPEC: Location = ("spec",)
_OF_THE_CLUSTER: Final = tuple(CLUSTER_KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Generic[Resource]):
    """A valid object of a file.

    Attributes:
        document: its place.
        resource: what it says.
    """

    document: Document
    resource: Resource


Loaded = Found[PlacementRequest]
"""A request that stands in a file and is valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What a text holds, each part in the order of the text.

    Attributes:
        requests: valid requests.
        faults: everything that is wrong.
        others: kinds of objects that are not Placewright's and were passed over.
        pools: valid GPUPools.
        policies: valid PlacementPolicies.
        profiles: valid PerformanceProfiles.
        nodes: core/v1 Nodes, as they stand there.
        pods: core/v1 Pods, as they stand there.
    """

    requests: tuple[Loaded, ...]
    faults: tuple[Fault, ...]
    others: tuple[str, ...]
    pools: tuple[Found[GPUPool], ...] = ()
    policies: tuple[Found[PlacementPolicy], ...] = ()
    profiles: tuple[Found[PerformanceProfile], ...] = ()
    nodes: tuple[Document, ...] = ()
    pods: tuple[Document, ...] = ()


def validate(text: str, *, file: str, catalog: bool = True) -> Validation:
    """Validate all objects of Placewright in a text: schema, CEL rules, unknown fields, what the operator would refuse.

    Args:
        text: YAML or JSON, one or several documents, objects of any kind among them.
        file: name of the file for the faults; `-` is stdin.
        catalog: also hold the objects against the catalog, as the operator does. Whoever reads several files leaves
            that out, and calls `refused` for each object when the profiles of all files are known.
    """
    documents, faults = load(text, file=file)
    ours = [_read(document) for document in documents if _is_ours(document.body)]
    cluster = {kind: [each for each in documents if _is_of_the_cluster(each.body, kind)] for kind in _OF_THE_CLUSTER}
    passed_over = [each for each in documents if not _is_ours(each.body)]
    faults.extend(fault for kind, found in cluster.items() for each in found for fault in _misshapen(each, kind))
    good: list[Found[Any]] = []
    read = (each for each in ours if isinstance(each, Found))
    profiles = [each.resource for each in _of(PerformanceProfile, read)]
    for each in ours:
        wrong = each if isinstance(each, list) else refused(each, profiles) if catalog else []
        faults.extend(wrong)
        if isinstance(each, Found) and not wrong:
            good.append(each)
    faults.extend(_repeated(good))
    if not good and not faults:
        faults.append(_nothing(file, (each.body["kind"] for each in passed_over)))
    return Validation(
        requests=_of(PlacementRequest, good),
        faults=tuple(faults),
        others=tuple(each.body["kind"] for each in passed_over if not _is_of_the_cluster(each.body)),
        pools=_of(GPUPool, good),
        policies=_of(PlacementPolicy, good),
        profiles=_of(PerformanceProfile, good),
        nodes=tuple(cluster["Node"]),
        pods=tuple(cluster["Pod"]),
    )


def _read(document: Document) -> "Found[Any] | list[Fault]":
    """Return what an object of Placewright says, or all that is wrong with it by itself."""
    wrong = [_placed(document, fault) for fault in _faults(document.body)]
    if wrong:
        return wrong
    model = KINDS[document.body["kind"]].resource
    return Found(document=document, resource=model.model_validate(plain(document.body)))


def _of(model: type[Resource], found: Iterable[Found[Any]]) -> tuple[Found[Resource], ...]:
    return tuple(entry for entry in found if isinstance(entry.resource, model))


def _nothing(file: str, others: Iterable[str]) -> Fault:
    names = sorted(set(others))
    got = f"only {', '.join(map(shown, names))}" if names else "nothing"
    return Fault(file=file, document=0, line=None, path="", got=got, wants=f"at least one {KIND}")


def _is_ours(body: Mapping[str, Any]) -> bool:
    """Whether an object is for Placewright, or says too little to be passed over."""
    version, kind = body.get("apiVersion"), body.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        return True
    group = version.partition("/")[0]
    near = kind in KINDS and bool(get_close_matches(group, [GROUP], n=1, cutoff=0.8))  # another's GPUPool is not near
    return group == GROUP or near or kind == KIND


def _is_of_the_cluster(body: Mapping[str, Any], *kinds: str) -> bool:
    return body.get("apiVersion") == "v1" and body.get("kind") in (kinds or _OF_THE_CLUSTER)


def _misshapen(document: Document, kind: str) -> Iterator[Fault]:
    """What is read of a Node or a Pod has Kubernetes' types when Kubernetes made it; a file may be written by hand."""
    metadata = document.body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(name, str) or not name:
        got = "nothing" if name is None else shown(name)
        fault = FieldFault(location=("metadata", "name"), got=got, wants=f"the name of the {kind}")
        yield _placed(document, fault)
        return
    try:
        CLUSTER_KINDS[kind].model_validate(document.body)
    except ValidationError as error:
        yield from (_placed(document, each) for each in field_faults(error, CLUSTER_KINDS[kind]))


def _faults(body: Mapping[str, Any]) -> Iterator[FieldFault]:
    named = list(_wrong_kind(body))
    if named:
        yield from named
        return
    kind = KINDS[body["kind"]]
    try:
        resource = kind.resource.model_validate(plain(body))
    except ValidationError as error:
        yield from field_faults(error, kind.resource)
        return
    yield from _duplicates(resource, kind.name)
    yield from _rules(resource, kind.name)


def _wrong_kind(body: Mapping[str, Any]) -> Iterator[FieldFault]:
    for name, wanted in (("apiVersion", [API_VERSION]), ("kind", list(KINDS))):
        got = body.get(name)
        if not isinstance(got, str) or got not in wanted:
            near = get_close_matches(got, wanted, n=1) if isinstance(got, str) else []
            wants = f"{near[0]}?" if near else f"{', '.join(wanted[:-1])} or {wanted[-1]}".removeprefix(" or ")
            yield FieldFault(location=(name,), got=shown(got) if got is not None else "nothing", wants=wants)


def _spec_data(resource: Inert) -> dict[str, Any]:
    """The spec with its defaults, as the API server would store it."""
    data: dict[str, Any] = resource.model_dump(by_alias=True, exclude_none=True, include={"spec"})["spec"]
    return data


def _rules(resource: Inert, kind: str) -> Iterator[FieldFault]:
    from placewright.api.crd import spec_schema  # noqa: PLC0415 - rendering reads sources, which parsing has no need of

    for broken in cel.broken_rules(spec_schema(kind), _spec_data(resource), _SPEC):
        yield FieldFault(
            location=broken.location, got=_brief(broken.value), wants=broken.message.removeprefix("wants ")
        )


def _duplicates(resource: Inert, kind: str) -> Iterator[FieldFault]:
    """Entries that a set or a list with keys may hold once only."""
    from placewright.api.crd import spec_schema  # noqa: PLC0415 - as above

    for schema, value, location in cel.visit(spec_schema(kind), _spec_data(resource), _SPEC):
        shape = schema.get("x-kubernetes-list-type")
        if shape not in {"set", "map"}:
            continue
        key = schema["x-kubernetes-list-map-keys"][0] if shape == "map" else None
        seen: set[Any] = set()
        for index, entry in enumerate(value):
            identity = entry if key is None else entry[key]
            if identity in seen:
                where = (*location, index) if key is None else (*location, index, key)
                yield FieldFault(location=where, got=f"{shown(identity)} twice", wants="each once")
            seen.add(identity)


def refused(entry: Found[Any], profiles: Iterable[PerformanceProfile]) -> list[Fault]:
    """Say what the operator would refuse of an object that is valid by schema and rules, as far as files tell.

    Whether a selector takes a pool, and whether a named profile is there, only the whole fleet tells: planning does.

    Args:
        entry: the object.
        profiles: PerformanceProfiles beside it, of its own and of other files; they make models known.
    """
    found: Iterable[FieldFault] = ()
    if isinstance(entry.resource, GPUPool):
        found = _unknown_gpu(entry.resource)
    elif isinstance(entry.resource, PlacementRequest):
        found = _unplannable(entry.resource, tuple(profiles))
    return [_placed(entry.document, fault) for fault in found]


def _unplannable(resource: PlacementRequest, profiles: tuple[PerformanceProfile, ...]) -> Iterator[FieldFault]:
    from placewright.api.convert import to_request  # noqa: PLC0415 - reads the catalog, which is not always wanted
    from placewright.api.convert_model import architecture_of, check_length  # noqa: PLC0415 - as above
    from placewright.api.convert_workload import stand_in  # noqa: PLC0415 - as above
    from placewright.api.surroundings import Surroundings  # noqa: PLC0415 - as above

    spec = resource.spec
    try:
        check_calendar(resource)
        if spec.pools is not None and spec.performance.profile_ref is None:
            to_request(resource, Surroundings(profiles=profiles), stand_in(spec))
        else:
            rows = spec.performance.profile_ref is not None or bool(spec.performance.measurements)
            profiled = any(profile.spec.model == spec.model.name for profile in profiles)
            check_length(spec, architecture_of(spec.model, measured=rows or profiled))
    except InvalidRequestError as error:
        yield FieldFault(location=_location(error.field), got=str(error.got), wants=error.wants, path=error.field)


def _unknown_gpu(pool: GPUPool) -> Iterator[FieldFault]:
    from placewright import catalog  # noqa: PLC0415 - reads files

    try:
        catalog.gpu(pool.spec.gpu or "")
    except catalog.UnknownKeyError as error:
        if pool.spec.gpu is not None:
            near = f"{', '.join(error.suggestions)} or another" if error.suggestions else "a"
            wants = f"{near} key of the GPU catalog, or accelerator in its place"
            yield FieldFault(location=("spec", "gpu"), got=repr(pool.spec.gpu), wants=wants)


def _brief(value: Any) -> str:
    """A value in a fault: scalars as they are, a mapping by its fields."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(value)}}}" if value else "{}"
    return "nothing" if value is None else shown(value)


def _location(field: str) -> Location:
    """The place of a field path such as `spec.pools[0].gpu`; words after it do not count."""
    parts: list[int | str] = []
    for part in re.split(r"[: ]", field, maxsplit=1)[0].split("."):
        name, _, index = part.partition("[")
        parts.append(name)
        if index:
            parts.append(int(index.rstrip("]")))
    return tuple(parts)


def _placed(document: Document, fault: FieldFault) -> Fault:
    return Fault(
        file=document.file,
        document=document.number,
        line=document.line_of(fault.location),
        path=fault.path or path_text(fault.location),
        got=fault.got,
        wants=fault.wants,
    )


def _repeated(found: Iterable[Found[Any]]) -> Iterator[Fault]:
    """Objects of one kind, name and namespace: the later would silently replace the earlier in a cluster."""
    seen: set[tuple[str, str, str | None]] = set()
    for entry in found:
        kind, meta = KINDS[entry.resource.kind], entry.resource.metadata
        identity = (kind.name, meta.name, meta.namespace if kind.namespaced else None)
        if identity in seen:
            what = "request" if kind.name == KIND else kind.name
            fault = FieldFault(
                location=("metadata", "name"), got=f"{shown(meta.name)} twice", wants=f"each {what} once"
            )
            yield _placed(entry.document, fault)
        seen.add(identity)
