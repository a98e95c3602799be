"""The reference of all fields as Markdown, from the same schemas as the CRD; `docs/api-reference.md` holds it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from placewright.api.base import API_VERSION, DURATION_PATTERN, RULES_KEY
from placewright.api.crd import custom_resource_definition
from placewright.api.kinds import KINDS

_HEAD: Final = """\
# API reference

Generated from the types in `operator/placewright/api` by `make docs`; do not edit. Samples stand in `config/samples`.

Money and rates are plain numbers, durations are text such as `50ms`, `1.2s`, `30m`. A field marked with \\* must be
given.
"""
_COLUMNS: Final = "| field | type | default | meaning |\n|---|---|---|---|\n"


def render() -> str:
    """Return the whole page."""
    names = ", ".join(f"[{name}](#{name.lower()})" for name in KINDS)
    return "\n".join([_HEAD, f"Kinds: {names}.\n", *(part for name in KINDS for part in _kind(name))])


def _kind(name: str) -> Iterator[str]:
    crd = custom_resource_definition(name)["spec"]
    version = crd["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    short = crd["names"]["shortNames"][0]
    scope = "namespaced" if crd["scope"] == "Namespaced" else "cluster-wide"
    yield f"## {name}\n\n`{API_VERSION}`, {scope}, short name `{short}`. {schema['description']}\n"
    yield f"### Columns of `kubectl get {short}`\n\n{_columns(version['additionalPrinterColumns'])}"
    for part in ("spec", "status"):
        yield from _sections(schema["properties"][part], part)


def _columns(columns: list[dict[str, Any]]) -> str:
    rows = [
        f"| {column['name']} | {column['description']} | {'wide' if column['priority'] else 'always'} |"
        for column in columns
    ]
    return "| column | meaning | shown |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _sections(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield the section of an object, then those of the objects below it."""
    required = schema.get("required", ())
    rows, below = [], []
    for name, field in schema["properties"].items():
        mark = "\\*" if name in required else ""
        rows.append(f"| `{name}`{mark} | {_type(field)} | {_default(field)} | {_escaped(field['description'])} |")
        inner, suffix = (field["items"], "[]") if "items" in field else (field, "")
        if "properties" in inner:
            below.append((inner, f"{path}.{name}{suffix}"))
    rules = [f"- `{_place(rule)}` {rule['message']}" for rule in schema.get(RULES_KEY, ())]
    text = f"### {path}\n\n{_COLUMNS}" + "\n".join(rows) + "\n"
    yield text + (f"\nRules:\n\n{chr(10).join(rules)}\n" if rules else "")
    for inner, where in below:
        yield from _sections(inner, where)


def _place(rule: Mapping[str, Any]) -> str:
    return str(rule.get("fieldPath", ".this")).removeprefix(".")


def _type(field: Mapping[str, Any]) -> str:
    """Write the type with its bounds: `integer, 1 to 8`, `list of 1 to 64`."""
    if "enum" in field:
        return " \\| ".join(f"`{value}`" for value in field["enum"])
    if "items" in field:
        inner = field["items"]
        return f"list of {_range(field, 'minItems', 'maxItems')} {'objects' if 'properties' in inner else _type(inner)}"
    if "additionalProperties" in field:
        return f"map of at most {field['maxProperties']} {_type(field['additionalProperties'])}"
    if field["type"] == "string":
        kind = {"date-time": "time"}.get(field.get("format", ""), "text")
        kind = "duration" if field.get("pattern") == DURATION_PATTERN else kind
        return kind if kind != "text" else f"text of {_range(field, 'minLength', 'maxLength')}"
    if "minimum" not in field:
        return str(field["type"])
    low = f"above {field['minimum']:g}" if field.get("exclusiveMinimum") else f"{field['minimum']:,}"
    return f"{field['type']}, {low} to {field['maximum']:,}" if "maximum" in field else f"{field['type']}, from {low}"


def _range(field: Mapping[str, Any], low: str, high: str) -> str:
    least = field.get(low, 0)
    return f"{least} to {field[high]}" if least != field[high] else str(least)


def _default(field: Mapping[str, Any]) -> str:
    if "default" not in field or field["default"] in ({}, []):
        return ""
    value = field["default"]
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
