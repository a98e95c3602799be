"""Reads files of all kinds into a scene, and collects everything that is wrong with them."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from placewright.cli import documents
from placewright.cli.faults import Fault, FaultsError
from placewright.cli.interrupts import leaving_at_once
from placewright.cli.price_files import Opener, beside, read_prices
from placewright.cli.scene import Asking, Scene
from placewright.core.errors import InvalidRequestError

if TYPE_CHECKING:
    from placewright.api.load import Document
    from placewright.api.price_rows import LivePrice
    from placewright.api.validate import Found, Validation

DEFAULT_NAMESPACE: Final = "default"
_POOLS_OPTION: Final = "--pools"


class Reader:
    """Reads manifests and collects what is wrong with them.

    Args:
        pools: files and folders with further pools, policies, profiles, Nodes and Pods, or with lists of pools for
            requests that have none of their own.
    """

    def __init__(self, pools: Sequence[str] = ()) -> None:
        self.faults: list[object] = []
        self.requests: list[Found[Any]] = []
        self.objects: list[Found[Any]] = []
        self.nodes: list[Document] = []
        self.pods: list[Document] = []
        self._others: Counter[str] = Counter()
        self._lists: dict[str, list[Any]] = {}
        self._filled: set[int] = set()  # ids of documents that got the pools of a list
        self._openers: dict[str, Opener] = {}  # of files that do not stand on disk, by their names
        for name in documents.files_of(pools, self.faults):
            self._read_pools(name)

    @property
    def found(self) -> "list[Found[Any]]":
        """Every valid object of Placewright's kinds."""
        return [*self.requests, *self.objects]

    def read(self, paths: Sequence[str]) -> None:
        """Read files, folders and standard input."""
        for name in documents.files_of(paths, self.faults):
            text = documents.read_text(name, self.faults)
            if text is not None:
                self.take(text, name)

    def take(self, text: str, name: str, *, opener: Opener | None = None) -> None:
        """Read a text.

        Args:
            text: its content.
            name: what messages call it.
            opener: of the files that it names; None: they stand beside the file of this name.
        """
        if opener is not None:
            self._openers[name] = opener
        with leaving_at_once():  # the interpreter of CEL would take an interruption for a broken rule
            found = list(self._validations(text, name))
        for validation in found:
            self.faults.extend(validation.faults)
            self._keep(validation)
            self.requests.extend(validation.requests)

    def want_requests(self, place: str) -> None:
        """Note when there is no request."""
        if not self.requests and not self.faults:
            self.faults.append(Fault(place=place, got=self._got(), wants="at least one PlacementRequest"))

    def want_objects(self, place: str) -> None:
        """Note when there is nothing of Placewright's kinds."""
        if not self.found:
            self.want_requests(place)

    def want_pools(self, place: str) -> None:
        """Note when there is no pool."""
        if not self.faults and not any(each.resource.kind == "GPUPool" for each in self.objects):
            self.faults.append(Fault(place=place, got=self._got(), wants="at least one GPUPool"))

    def _got(self) -> str:
        kinds = self._others + Counter(each.resource.kind for each in self.found)
        kinds += Counter({"Node": len(self.nodes), "Pod": len(self.pods)})
        return f"only other kinds: {_listing(kinds)}" if kinds else "nothing"

    def refused(self) -> list[object]:
        """What the operator would refuse of valid objects; told once all files are read."""
        from placewright.api.validate import refused  # noqa: PLC0415 - --help needs no pydantic

        profiles = [each.resource for each in self.objects if each.resource.kind == "PerformanceProfile"]
        found: list[object] = []
        for entry in self.found:
            faults = refused(entry, profiles)
            filled = id(entry.document) in self._filled
            found += [self._moved(fault) if filled else fault for fault in faults]
            found += _wrong_queries(entry)
        return found

    def repeated(self, namespace: str = DEFAULT_NAMESPACE) -> list[Fault]:
        """Objects that share kind, namespace and name, which a file alone cannot tell."""
        seen: dict[tuple[str, str], str] = {}
        found: list[Fault] = []
        for entry in self.found:
            meta, kind = entry.resource.metadata, entry.resource.kind
            of_a_namespace = kind == "PlacementRequest"
            title = f"{meta.namespace or namespace}/{meta.name}" if of_a_namespace else meta.name
            found += _repeated(seen, kind, title, place_of(entry.document))
        for kind, listed in (("Node", self.nodes), ("Pod", self.pods)):
            for document in listed:
                found += _repeated(seen, kind, "/".join(_names(document.body)), place_of(document))
        return found

    def notes(self) -> list[str]:
        """What was passed over."""
        found = [f"skipped other kinds: {_listing(self._others)}"] if self._others else []
        if self._lists and self.requests and not self._filled:
            names = ", ".join(self._lists)
            found.append(f"{_POOLS_OPTION} {names} has no effect: every request has pools of its own")
        return found

    def scene(self, namespace: str | None = None, *, alone: bool = True) -> Scene:
        """Return what was read.

        Args:
            namespace: of the requests whose file names none.
            alone: False when it is laid over a cluster, whose profiles and pools are not known yet.

        Raises:
            FaultsError: with every fault.
        """
        home = namespace or DEFAULT_NAMESPACE
        notes = self.notes()
        prices = self._prices(notes, alone=alone)
        faults = [*self.faults, *(self.refused() if alone else ()), *self.repeated(home)]
        if faults:
            raise FaultsError(faults)
        by_kind: dict[str, list[Any]] = {}
        for entry in self.objects:
            by_kind.setdefault(entry.resource.kind, []).append(entry.resource)
        return Scene(
            requests=tuple(
                Asking(place=place_of(entry.document), resource=_named(entry.resource, home)) for entry in self.requests
            ),
            pools=tuple(by_kind.get("GPUPool", ())),
            policies=tuple(by_kind.get("PlacementPolicy", ())),
            profiles=tuple(by_kind.get("PerformanceProfile", ())),
            nodes=tuple(document.body for document in self.nodes),
            pods=tuple(document.body for document in self.pods),
            prices=prices,
            notes=tuple(notes),
        )

    def _prices(self, notes: list[str], *, alone: bool) -> "tuple[LivePrice, ...]":
        """The prices of files that policies name; what is wrong with them becomes faults."""
        policies = [
            (each.resource, self._openers.get(each.document.file) or beside(each.document.file))
            for each in self.objects
            if each.resource.kind == "PlacementPolicy"
        ]
        return read_prices(policies, now=time.time(), faults=self.faults, notes=notes, alone=alone)

    # ---------------------------------------------------------------------------------------------------- inside

    def _keep(self, validation: "Validation") -> None:
        self.objects.extend((*validation.pools, *validation.policies, *validation.profiles))
        self.nodes.extend(validation.nodes)
        self.pods.extend(validation.pods)
        self._others.update(validation.others)

    def _read_pools(self, name: str) -> None:
        text = documents.read_text(name, self.faults)
        if text is None:
            self._lists[name] = []  # the requests are checked all the same, but for their pools
            return
        pools = documents.pool_list(name, text, self.faults)
        if pools is not None:
            self._lists[name] = pools
            return
        with leaving_at_once():
            (validation,) = self._whole(text, name)
        self.faults.extend(validation.faults)
        self._keep(validation)
        for entry in validation.requests:
            got = f"the PlacementRequest {entry.resource.metadata.name}"
            wants = "pools, policies, profiles, Nodes and Pods; requests come with -f"
            self.faults.append(Fault(place=f"{_POOLS_OPTION} {place_of(entry.document)}", got=got, wants=wants))

    def _validations(self, text: str, name: str) -> "Iterable[Validation]":
        from placewright.api.load import load  # noqa: PLC0415 - --help needs no pydantic

        if not self._lists:
            return self._whole(text, name)
        read, faults = load(text, file=name)
        self.faults.extend(faults)
        return [self._with_pools(document, name) for document in read]

    @staticmethod
    def _whole(text: str, name: str) -> "list[Validation]":
        """Validate a text; one without anything for us is none of our business."""
        from placewright.api.load import load  # noqa: PLC0415 - --help needs no pydantic
        from placewright.api.validate import validate  # noqa: PLC0415

        whole = validate(text, file=name, catalog=False)
        told = any(fault.document for fault in whole.faults) or bool(load(text, file=name)[1])
        return [whole if told else replace(whole, faults=())]

    def _with_pools(self, document: "Document", name: str) -> "Validation":
        """Validate one document, with the pools of --pools when it has none."""
        from placewright.api.validate import validate  # noqa: PLC0415 - --help needs no pydantic

        body = document.body
        spec = body.get("spec")
        if body.get("kind") != "PlacementRequest" or not isinstance(spec, Mapping) or _has_pools(spec):
            found = validate(json.dumps(body), file=name, catalog=False)
            return replace(found, faults=tuple(fault for fault in found.faults if fault.document))
        pools = [pool for listed in self._lists.values() for pool in listed]
        found = validate(json.dumps({**body, "spec": {**spec, "pools": pools}}), file=name, catalog=False)
        self._filled.update(id(entry.document) for entry in found.requests)
        kept = (fault for fault in found.faults if pools or not fault.path.startswith("spec.pools"))
        return replace(found, faults=tuple(self._moved(fault) for fault in kept))

    def _moved(self, fault: Any) -> Any:
        """A fault of a pool that came from a list is one of that file."""
        whole = replace(fault, line=None)
        at = _index(fault.path)
        if at is None:
            return whole
        for name, pools in self._lists.items():
            if at < len(pools):
                path = fault.path.replace(f"spec.pools[{_index(fault.path)}]", f"pools[{at}]", 1)
                return replace(whole, file=name, path=path)
            at -= len(pools)
        return whole


def _wrong_queries(entry: "Found[Any]") -> Iterable[Fault]:
    """Queries of a request that no policy would let through, whatever it allows."""
    if entry.resource.kind != "PlacementRequest":
        return
    spec = entry.resource.spec
    demand = spec.workload.demand_from.prometheus_query if spec.workload.demand_from is not None else None
    given = {
        ("spec", "workload", "demandFrom", "prometheusQuery"): demand,
        ("spec", "gates", "revenuePerHourQuery"): spec.gates.revenue_per_hour_query,
    }
    for location, query in given.items():
        if query is None:
            continue
        from placewright.telemetry.prometheus.promql import bounded  # noqa: PLC0415 - few requests have queries

        try:
            bounded(query, field=".".join(location))
        except InvalidRequestError as error:
            line = entry.document.line_of(location)
            place = entry.document.file if line is None else f"{entry.document.file}:{line}"
            yield Fault(place=f"{place}: {error.field}", got=str(error.got), wants=error.wants)


def _index(path: str) -> int | None:
    """The number of the pool that `spec.pools[2].nodes` speaks of."""
    if not path.startswith("spec.pools["):
        return None
    return int(path.removeprefix("spec.pools[").partition("]")[0])


def _has_pools(spec: Mapping[str, Any]) -> bool:
    return spec.get("pools") is not None or spec.get("poolSelector") is not None


def _repeated(seen: dict[tuple[str, str], str], kind: str, title: str, place: str) -> list[Fault]:
    first = seen.setdefault((kind, title), place)
    if first == place:
        return []
    wants = "each request once" if kind == "PlacementRequest" else f"each {kind} once"
    return [Fault(place=f"{place}: metadata.name", got=f"{title}, which {first} has already", wants=wants)]


def _names(body: Mapping[str, Any]) -> list[str]:
    meta = body.get("metadata")
    meta = meta if isinstance(meta, Mapping) else {}
    return [str(part) for part in (meta.get("namespace"), meta.get("name")) if part]


def place_of(document: "Document") -> str:
    """File and line of an object's name."""
    line = document.line_of(("metadata", "name"))
    return document.file if line is None else f"{document.file}:{line}"


def _named(resource: Any, namespace: str) -> Any:
    named = resource.metadata.model_copy(update={"namespace": resource.metadata.namespace or namespace})
    return resource.model_copy(update={"metadata": named})


def _listing(kinds: Counter[str]) -> str:
    return ", ".join(f"{kind} ({count})" for kind, count in sorted(kinds.items()))
