"""Parts of the chart that are made from other files: the CRD template, and the texts of values.yaml elsewhere."""

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

BEGIN = "<!-- values: begin; generated from values.yaml by `make crds` -->"
END = "<!-- values: end -->"

_NAME = re.compile(r"^metadata:\n  name: (?P<name>\S+)\n", flags=re.MULTILINE)
_METADATA = """metadata:
  name: {name}
  labels:
    {{{{- include "placewright.labels" . | nindent 4 }}}}
  {{{{- if .Values.crds.keep }}}}
  annotations:
    helm.sh/resource-policy: keep
  {{{{- end }}}}
"""
_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][A-Za-z0-9]*):")


def crd_template(crd: str) -> str:
    """The chart's template of one CRD; what Helm would take for its own is quoted.

    Raises:
        ValueError: the CRD's text has no metadata of the usual form.
    """
    quoted = re.sub(r"\{\{|\}\}", lambda braces: '{{ "' + braces[0] + '" }}', crd)
    body, count = _NAME.subn(lambda match: _METADATA.format(name=match["name"]), quoted, count=1)
    if count != 1:
        raise ValueError("the CRD has no `metadata:` that starts with its name")
    return "{{- if .Values.crds.enabled }}\n" + body + "{{- end }}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One documented value.

    Attributes:
        path: as `image.tag`.
        default: as JSON.
        text: its comment; empty when it has none.
    """

    path: str
    default: str
    text: str


def documented_values(values: str) -> list[Value]:
    """Every value in the order of values.yaml; a map with a `# --` comment of its own counts as one value."""
    defaults = yaml.safe_load(values)
    found: list[Value] = []
    parents: list[tuple[int, str]] = []  # (indent, key) of the maps around the line
    comment: list[str] = []
    closed_below: int | None = None  # inside a map that counts as one value
    for line in values.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            comment = [stripped.removeprefix("# -- ")]
            continue
        if stripped.startswith("#") and comment:
            comment.append(stripped.removeprefix("#").strip())
            continue
        match = _KEY.match(line)
        if match is None:
            comment = []
            continue
        indent = len(match["indent"])
        if closed_below is not None and indent > closed_below:
            comment = []
            continue
        closed_below = None
        parents = [parent for parent in parents if parent[0] < indent]
        path = ".".join([*(key for _, key in parents), match["key"]])
        default = _lookup(defaults, path)
        parents.append((indent, match["key"]))
        if comment or not isinstance(default, dict) or not default:
            found.append(Value(path=path, default=json.dumps(default), text=" ".join(comment)))
            closed_below = indent
        comment = []
    return found


def readme_with_values(readme: str, values: str) -> str:
    """The README with its table of values made anew.

    Raises:
        ValueError: the README lacks one of the two marks.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the chart's README must hold the lines {BEGIN!r} and {END!r}")
    rows = "".join(
        f"| `{value.path}` | `{value.default}` | {value.text.replace('|', chr(92) + '|')} |\n"
        for value in documented_values(values)
    )
    return f"{before}{BEGIN}\n| value | default | what it does |\n|---|---|---|\n{rows}{END}{after}"


def schema_with_texts(schema: str, values: str) -> str:
    """The schema of the values with each value's comment as its description, for editors.

    Raises:
        ValueError: a value is not in the schema.
    """
    parsed = json.loads(schema)
    for value in documented_values(values):
        node = parsed
        for key in value.path.split("."):
            node = node.get("properties", {}).get(key)
            if node is None:
                raise ValueError(f"values.schema.json knows no {value.path}")
        rest = {key: part for key, part in node.items() if key != "description"}
        node.clear()
        node.update({"description": value.text, **rest})
    return json.dumps(parsed, indent=2) + "\n"


def _lookup(values: dict[str, Any], path: str) -> Any:
    node: Any = values
    for key in path.split("."):
        node = node[key]
    return node
