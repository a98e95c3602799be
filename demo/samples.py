"""The sample manifests, and the state that the comment at the top of each says to expect."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.crd import Json
from placewright.api.load import load

_CONDITION = re.compile(r"\b(?P<type>[A-Z]\w*)=(?P<status>True|False|Unknown) (?P<reason>[A-Z]\w*)")
_FIELD = re.compile(r"\b(?P<path>status(?:\.\w+)+) is (?P<value>[A-Z]\w*)")


class SampleError(Exception):
    """A sample cannot be read or does not say what to expect; one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request of a sample file.

    Attributes:
        file: where it stands.
        body: the object to create.
        conditions: (type, status, reason) that its comment promises.
        fields: (path in the object, value) that its comment promises.
    """

    file: Path
    body: Json
    conditions: tuple[tuple[str, str, str], ...]
    fields: tuple[tuple[str, str], ...]

    @property
    def namespace(self) -> str:
        """Where it goes: kubectl's default when it names none."""
        return str(self.body["metadata"].get("namespace", "default"))

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])


def read_samples(folder: Path) -> list[Sample]:
    """Every sample of a folder, in the order of the file names.

    Raises:
        SampleError: there is none, or one cannot be read or does not say what to expect.
    """
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise SampleError(f"{folder}: got no *.yaml file, wants samples")
    return [sample for file in files for sample in _samples_of(file)]


def read_objects(file: Path) -> list[Json]:
    """The objects of a file, each with a name.

    Raises:
        SampleError: it cannot be read, or one of them has no name.
    """
    return _objects(file, _text(file))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SampleError(f"{file}: {error}") from error


def _objects(file: Path, text: str) -> list[Json]:
    documents, faults = load(text, file=str(file))
    if faults:
        raise SampleError(f"{file}: got {faults[0].got}, wants {faults[0].wants}")
    bodies = [document.body for document in documents]
    if any(not isinstance(body.get("metadata"), Mapping) or "name" not in body["metadata"] for body in bodies):
        raise SampleError(f"{file}: got an object without metadata.name")
    return bodies


def _samples_of(file: Path) -> list[Sample]:
    text = _text(file)
    bodies = _objects(file, text)
    conditions, fields = _expected(text)
    if not any(kind == "Ready" for kind, _, _ in conditions):
        raise SampleError(f"{file}: got no line `# Expect: Ready=...` in its first comment, wants one to check against")
    return [Sample(file=file, body=body, conditions=conditions, fields=fields) for body in bodies]


def _expected(text: str) -> tuple[tuple[tuple[str, str, str], ...], tuple[tuple[str, str], ...]]:
    comment = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# "))
    promise = " ".join(comment).partition("Expect:")[2]
    conditions = tuple((found["type"], found["status"], found["reason"]) for found in _CONDITION.finditer(promise))
    return conditions, tuple((found["path"], found["value"]) for found in _FIELD.finditer(promise))


def condition(resource: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """The condition of this type; None when there is none."""
    conditions = resource.get("status", {}).get("conditions", ())
    return next((one for one in conditions if one["type"] == kind), None)


def is_decided(resource: Mapping[str, Any]) -> bool:
    """Whether the status speaks of this generation of the spec, with a Ready condition and nothing under way."""
    generation = resource["metadata"]["generation"]
    ready = condition(resource, "Ready")
    return (
        resource.get("status", {}).get("observedGeneration") == generation
        and ready is not None
        and ready.get("observedGeneration") == generation
        and condition(resource, "Reconciling") is None
    )


def surprises(sample: Sample, resource: Mapping[str, Any]) -> list[str]:
    """What differs from the sample's promise, one line each."""
    found = []
    for kind, status, reason in sample.conditions:
        got = condition(resource, kind)
        shown = "no such condition" if got is None else f"{got['status']} {got['reason']}"
        if shown != f"{status} {reason}":
            found.append(f"{sample.name}: {sample.file} expects {kind}={status} {reason}, got {shown}")
    for path, value in sample.fields:
        got_value: Any = resource
        for part in path.split("."):
            got_value = got_value.get(part) if isinstance(got_value, Mapping) else None
        if got_value != value:
            found.append(f"{sample.name}: {sample.file} expects {path} {value}, got {got_value}")
    return found
