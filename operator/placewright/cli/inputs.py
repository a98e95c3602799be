"""From files or a config-dir folder to what is to be planned. Every fault is found before anything is planned."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from placewright.cli import documents
from placewright.cli.faults import Fault, FaultsError
from placewright.core.model import Request

if TYPE_CHECKING:
    from placewright.api.resource import PlacementRequest
    from placewright.api.validate import Loaded, Validation

DEFAULT_NAMESPACE: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One thing to plan.

    Attributes:
        name: of the resource or the folder.
        namespace: of the resource; empty for a folder.
        source: where it was read.
        request: what the core decides on; None when the resource is suspended.
        generation: of the spec; 1 for a file that no API server has seen.
        previous: the status that the file holds.
    """

    name: str
    namespace: str
    source: str
    request: Request | None
    generation: int = 1
    previous: Mapping[str, Any] | None = None

    @property
    def title(self) -> str:
        """Name with the namespace, where there is one."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What was read.

    Attributes:
        jobs: in the order of the files.
        notes: what the user should know, one line each.
    """

    jobs: tuple[Job, ...]
    notes: tuple[str, ...]


class Reader:
    """Reads PlacementRequests and collects what is wrong with them.

    Args:
        pools: a file with a list of pools, for requests that have none of their own.
    """

    def __init__(self, pools: str | None = None) -> None:
        self.faults: list[object] = []
        self.requests: list[tuple[str, Loaded]] = []
        self._others: Counter[str] = Counter()
        self._pools_file = pools
        # A file that cannot be read leaves no pools: the requests are checked all the same, but for their pools.
        self._pools = None if pools is None else documents.read_pools(pools, self.faults) or []
        self._filled = 0

    def read(self, paths: Sequence[str]) -> None:
        """Read files, folders and standard input."""
        for name in documents.files_of(paths, self.faults):
            text = documents.read_text(name, self.faults)
            if text is None:
                continue
            for validation in self._validations(text, name):
                self.faults.extend(validation.faults)
                self.requests.extend((_place(entry), entry) for entry in validation.requests)
                self._others.update(validation.others)
        if not self.requests and not self.faults:
            got = f"only other kinds: {_listing(self._others)}" if self._others else "nothing"
            place = ", ".join(paths)
            self.faults.append(Fault(place=place, got=got, wants="at least one PlacementRequest"))

    def repeated(self, namespace: str = DEFAULT_NAMESPACE) -> list[Fault]:
        """Requests that share name and namespace, which a file alone cannot tell."""
        seen: dict[str, str] = {}
        found: list[Fault] = []
        for place, loaded in self.requests:
            meta = loaded.resource.metadata
            title = f"{meta.namespace or namespace}/{meta.name}"
            first = seen.setdefault(title, place)
            if first != place:
                got = f"{title}, which {first} has already"
                found.append(Fault(place=f"{place}: metadata.name", got=got, wants="each request once"))
        return found

    def notes(self) -> list[str]:
        """What was passed over."""
        found = [f"skipped other kinds: {_listing(self._others)}"] if self._others else []
        if self._pools and self.requests and not self._filled:
            found.append(f"--pools {self._pools_file} has no effect: every request has pools of its own")
        return found

    def _validations(self, text: str, name: str) -> list["Validation"]:
        from placewright.api.load import load  # noqa: PLC0415 - --help needs no pydantic
        from placewright.api.validate import validate  # noqa: PLC0415

        if self._pools is None:
            whole = validate(text, file=name)
            if whole.requests or any(fault.document for fault in whole.faults) or load(text, file=name)[1]:
                return [whole]
            return [replace(whole, faults=())]  # a file without requests is none of our business
        read, faults = load(text, file=name)
        self.faults.extend(faults)
        return [self._with_pools(document.body, name) for document in read]

    def _with_pools(self, body: Mapping[str, Any], name: str) -> "Validation":
        """Validate one document, with the pools of --pools when it has none."""
        from placewright.api.validate import validate  # noqa: PLC0415 - --help needs no pydantic

        spec = body.get("spec")
        if body.get("kind") != "PlacementRequest" or not isinstance(spec, Mapping) or spec.get("pools") is not None:
            found = validate(json.dumps(body), file=name)
            return replace(found, faults=tuple(fault for fault in found.faults if fault.document))
        self._filled += 1
        filled = {**body, "spec": {**spec, "pools": self._pools}}
        found = validate(json.dumps(filled), file=name)
        moved = [
            replace(fault, file=str(self._pools_file), path=fault.path.removeprefix("spec."))
            if fault.path.startswith("spec.pools[")
            else fault
            for fault in found.faults
            if self._pools or not fault.path.startswith("spec.pools")
        ]
        return replace(found, faults=tuple(replace(fault, line=None) for fault in moved))


def _place(loaded: "Loaded") -> str:
    document = loaded.document
    line = document.line_of(("metadata", "name"))
    return document.file if line is None else f"{document.file}:{line}"


def _listing(kinds: Counter[str]) -> str:
    return ", ".join(f"{kind} ({count})" for kind, count in sorted(kinds.items()))


def read_files(paths: Sequence[str], *, pools: str | None, namespace: str | None) -> Inputs:
    """Read PlacementRequests to plan them.

    Args:
        paths: files, folders, or - for standard input.
        pools: a file with a list of pools, for the requests that have none of their own.
        namespace: of the requests whose file names none.

    Raises:
        FaultsError: with every fault of every file.
    """
    reader = Reader(pools)
    reader.read(paths)
    home = namespace or DEFAULT_NAMESPACE
    faults = [*reader.faults, *reader.repeated(home)]
    if faults:
        raise FaultsError(faults)
    jobs = tuple(_job(place, loaded.resource, home) for place, loaded in reader.requests)
    return Inputs(jobs=jobs, notes=tuple(reader.notes()))


def _job(place: str, resource: "PlacementRequest", namespace: str) -> Job:
    from placewright.api.convert import to_request  # noqa: PLC0415 - --help needs no pydantic

    meta = resource.metadata
    request = None
    if not resource.spec.suspend:
        named = meta.model_copy(update={"namespace": meta.namespace or namespace})
        request = to_request(resource.model_copy(update={"metadata": named}))
    return Job(
        name=meta.name,
        namespace=meta.namespace or namespace,
        source=place,
        request=request,
        generation=1 if meta.generation is None else meta.generation,
        previous=resource.status,
    )
