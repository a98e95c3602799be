"""Validation without a cluster, equal to what the API server and the operator say of a manifest."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from placewright.api import cel
from placewright.api.base import API_VERSION, GROUP
from placewright.api.load import Document, Fault, load
from placewright.api.parse import FieldFault, Location, field_faults, path_text, plain, shown
from placewright.api.resource import KIND, PlacementRequest
from placewright.core.errors import InvalidRequestError

_SPEC: Location = ("spec",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A request that stands in a file and is valid."""

    document: Document
    resource: PlacementRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What a text holds.

    Attributes:
        requests: valid requests, in the order of the text.
        faults: everything that is wrong, in the order of the text.
        others: kinds of objects that are not Placewright's and were passed over.
    """

    requests: tuple[Loaded, ...]
    faults: tuple[Fault, ...]
    others: tuple[str, ...]


def validate(text: str, *, file: str, catalog: bool = True) -> Validation:
    """Validate all PlacementRequests of a text: schema, CEL rules, unknown fields, and what the operator would refuse.

    Args:
        text: YAML or JSON, one or several documents, objects of any kind among them.
        file: name of the file for the faults; `-` is stdin.
        catalog: also hold the requests against the catalog, as the operator does.
    """
    documents, faults = load(text, file=file)
    requests: list[Loaded] = []
    others: list[str] = []
    for document in documents:
        if not _is_ours(document.body):
            others.append(document.body["kind"])
            continue
        found = list(_faults(document.body, catalog=catalog))
        if found:
            faults.extend(_placed(document, fault) for fault in found)
        else:
            requests.append(Loaded(document=document, resource=PlacementRequest.model_validate(plain(document.body))))
    faults.extend(_repeated(requests))
    if not requests and not faults:
        got = f"only {', '.join(map(shown, sorted(set(others))))}" if others else "nothing"
        faults.append(Fault(file=file, document=0, line=None, path="", got=got, wants=f"at least one {KIND}"))
    return Validation(requests=tuple(requests), faults=tuple(faults), others=tuple(others))


def _is_ours(body: Mapping[str, Any]) -> bool:
    """Whether an object is for Placewright, or says too little to be passed over."""
    version, kind = body.get("apiVersion"), body.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        return True
    return version.partition("/")[0] == GROUP or kind == KIND


def _faults(body: Mapping[str, Any], *, catalog: bool) -> Iterator[FieldFault]:
    named = list(_wrong_kind(body))
    if named:
        yield from named
        return
    try:
        resource = PlacementRequest.model_validate(plain(body))
    except ValidationError as error:
        yield from field_faults(error)
        return
    broken = [*_duplicates(resource), *_rules(resource)]
    yield from broken
    if catalog and not broken:
        yield from _refused(resource)


def _wrong_kind(body: Mapping[str, Any]) -> Iterator[FieldFault]:
    for name, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        got = body.get(name)
        if got != wanted:
            near = isinstance(got, str) and get_close_matches(got, [wanted], n=1)
            hint = f"{wanted}?" if near else wanted
            yield FieldFault(location=(name,), got=shown(got) if got is not None else "nothing", wants=hint)


def _spec_data(resource: PlacementRequest) -> dict[str, Any]:
    """The spec with its defaults, as the API server would store it."""
    return resource.spec.model_dump(by_alias=True, exclude_none=True)


def _rules(resource: PlacementRequest) -> Iterator[FieldFault]:
    from placewright.api.crd import spec_schema  # noqa: PLC0415 - rendering reads sources, which parsing has no need of

    for broken in cel.broken_rules(spec_schema(), _spec_data(resource), _SPEC):
        yield FieldFault(
            location=broken.location, got=_brief(broken.value), wants=broken.message.removeprefix("wants ")
        )


def _duplicates(resource: PlacementRequest) -> Iterator[FieldFault]:
    """Entries that a set or a list with keys may hold once only."""
    from placewright.api.crd import spec_schema  # noqa: PLC0415 - as above

    for schema, value, location in cel.visit(spec_schema(), _spec_data(resource), _SPEC):
        kind = schema.get("x-kubernetes-list-type")
        if kind not in {"set", "map"}:
            continue
        key = schema["x-kubernetes-list-map-keys"][0] if kind == "map" else None
        seen: set[Any] = set()
        for index, entry in enumerate(value):
            identity = entry if key is None else entry[key]
            if identity in seen:
                where = (*location, index) if key is None else (*location, index, key)
                yield FieldFault(location=where, got=f"{shown(identity)} twice", wants="each once")
            seen.add(identity)


def _refused(resource: PlacementRequest) -> Iterator[FieldFault]:
    from placewright.api.convert import to_request  # noqa: PLC0415 - reads the catalog, which is not always wanted

    try:
        to_request(resource)
    except InvalidRequestError as error:
        yield FieldFault(location=_location(error.field), got=str(error.got), wants=error.wants, path=error.field)


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


def _repeated(requests: Iterable[Loaded]) -> Iterator[Fault]:
    """Requests of one name and namespace: the later would silently replace the earlier in a cluster."""
    seen: set[tuple[str, str | None]] = set()
    for loaded in requests:
        name = loaded.resource.metadata.name
        identity = (name, loaded.resource.metadata.namespace)
        if identity in seen:
            yield _placed(
                loaded.document,
                FieldFault(location=("metadata", "name"), got=f"{shown(name)} twice", wants="each request once"),
            )
        seen.add(identity)
