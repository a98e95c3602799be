"""What the demo reads from the generated CRD files, as a real API server would: defaults and printer columns."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

_STEP = re.compile(r"""\.(?P<field>\w+)|\[\?\(@\.(?P<key>\w+)==["'](?P<value>[^"']*)["']\)\]""")


class CrdError(Exception):
    """The CRD file is not there or is not what the demo can show; one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One printer column: its head, how its values are shown, and where they stand."""

    name: str
    type: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Crd:
    """The parts of a CustomResourceDefinition that are used here."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    namespaced: bool
    columns: tuple[Column, ...]
    schema: Mapping[str, Any]


def read_crd(path: Path) -> Crd:
    """The CRD of a file; columns of priority 0 only, which are those without `-o wide`.

    Raises:
        CrdError: there is no such file, or it holds no CRD.
    """
    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
        spec = body["spec"]
        version, names = spec["versions"][0], spec["names"]
        columns = tuple(
            Column(name=column["name"], type=column["type"], path=column["jsonPath"])
            for column in version["additionalPrinterColumns"]
            if column.get("priority", 0) == 0
        )
        return Crd(
            group=spec["group"],
            version=version["name"],
            kind=names["kind"],
            plural=names["plural"],
            singular=names["singular"],
            short_names=tuple(names.get("shortNames", ())),
            namespaced=spec["scope"] == "Namespaced",
            columns=columns,
            schema=version["schema"]["openAPIV3Schema"],
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, IndexError) as error:
        raise CrdError(f"{path}: no CustomResourceDefinition could be read: {type(error).__name__} {error}") from error


def read_crds(folder: Path) -> dict[str, Crd]:
    """Every CRD of a folder, by kind.

    Raises:
        CrdError: one of its files holds no CRD.
    """
    return {crd.kind: crd for crd in map(read_crd, sorted(folder.glob("*.yaml")))}


def with_defaults(schema: Mapping[str, Any], value: Any) -> Any:
    """A copy of the value with the schema's defaults in it, by the server's rule: outer first, then into them."""
    if isinstance(value, Mapping):
        filled = dict(value)
        for name, below in schema.get("properties", {}).items():
            if "default" in below:
                filled.setdefault(name, below["default"])
            if name in filled:
                filled[name] = with_defaults(below, filled[name])
        return filled
    if isinstance(value, list) and "items" in schema:
        return [with_defaults(schema["items"], item) for item in value]
    return value


def at_path(value: Any, path: str) -> Any:
    """What stands at a JSONPath of the two forms that printer columns use, `.a.b` and `.list[?(@.key=="v")]`.

    Returns:
        The value; None when there is none.

    Raises:
        CrdError: the path has another form.
    """
    position = 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise CrdError(f"the demo cannot read the JSONPath {path!r} from character {position + 1}")
        position = step.end()
        if step["field"] is not None:
            value = value.get(step["field"]) if isinstance(value, Mapping) else None
        else:
            value = next((item for item in value or () if str(item.get(step["key"])) == step["value"]), None)
    return value


def cell(column: Column, resource: Mapping[str, Any], now: datetime) -> str:
    """A cell as kubectl prints it: empty when there is no value, whole numbers without a point, dates as an age."""
    value = at_path(resource, column.path)
    if value is None:
        return ""
    if column.type == "date":
        return age((now - datetime.fromisoformat(value)).total_seconds())
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def age(seconds: float) -> str:
    """Seconds and minutes as kubectl shows them, as 12s or 2m5s; the demo is no older."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}s"
    return f"{whole // 60}m{whole % 60}s" if whole % 60 else f"{whole // 60}m"


def table(crd: Crd, resources: Sequence[Mapping[str, Any]], *, namespaces: bool = True) -> list[list[str]]:
    """Heads and rows as `kubectl get` has them: the name, then the printer columns.

    Args:
        crd: of the objects.
        resources: the objects.
        namespaces: begin with the namespace, as `-A` does for kinds that have one.
    """
    now = datetime.now(UTC)
    named = ("namespace", "name") if crd.namespaced and namespaces else ("name",)
    rows = [[*(field.upper() for field in named), *(column.name.upper() for column in crd.columns)]]
    for resource in sorted(resources, key=lambda one: [one["metadata"][field] for field in named]):
        cells = (cell(column, resource, now) for column in crd.columns)
        rows.append([*(resource["metadata"][field] for field in named), *cells])
    return rows
