"""Reads manifests: YAML or JSON, several documents and kinds in one text, with line numbers for faults.

Scalars are read as kubectl reads them (`1e5` is a number, `2026-01-01` is text, `on` is true). Size, depth and the
growth through aliases are bounded, so that a hostile file ends as one line.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

MAX_CHARACTERS: Final = 32 * 1024 * 1024
MAX_VALUES: Final = 2_000_000
MAX_DEPTH: Final = 64

_DEEPEST: Final = 1000
_TOO_DEEP: Final = ("values nested too deep", f"at most {MAX_DEPTH} levels")
_TAG: Final = "tag:yaml.org,2002:"
_LIST: Final = "List"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong in a file, in one line.

    Attributes:
        file: the file as the user named it; `-` is stdin.
        document: number of the document in the file, from 1; 0: the file as a whole.
        line: line in the file, from 1; None: not known.
        path: the field, `spec.pools[0].gpu`; empty: the document as a whole.
        got: what stands there.
        wants: what may stand there.
    """

    file: str
    document: int
    line: int | None
    path: str
    got: str
    wants: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        if self.line is None and self.document > 1:
            place = f"{place} (document {self.document})"
        field = f" {self.path}:" if self.path else ""
        return f"{place}:{field} got {self.got}, wants {self.wants}"


class UnreadableError(Exception):
    """A text is no YAML, or breaks a limit."""

    def __init__(self, got: str, wants: str, line: int | None = None) -> None:
        super().__init__(f"got {got}, wants {wants}")
        self.got = got
        self.wants = wants
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One object of a file.

    Attributes:
        file: the file as the user named it.
        number: number of the document in the file, from 1.
        body: its content.
        node: its place in the text; None for JSON.
    """

    file: str
    number: int
    body: dict[str, Any]
    node: yaml.Node | None

    def line_of(self, location: Sequence[int | str]) -> int | None:
        """Return the line of a field, or of the nearest thing around it that stands in the text."""
        if self.node is None:
            return None
        node, line = self.node, self.node.start_mark.line + 1
        for part in location:
            found = _child(node, part)
            if found is None:
                return line
            node, line = found
        return line


def load(text: str, *, file: str) -> tuple[list[Document], list[Fault]]:
    """Read all objects of a text; lists of objects become their items.

    Args:
        text: the content of the file.
        file: its name, for faults.
    """
    try:
        documents = list(_documents(text, file))
    except UnreadableError as error:
        return [], [Fault(file=file, document=0, line=error.line, path="", got=error.got, wants=error.wants)]
    good = [document for document in documents if isinstance(document, Document)]
    return good, [fault for fault in documents if isinstance(fault, Fault)]


def _documents(text: str, file: str) -> Iterator[Document | Fault]:
    for number, (value, node) in enumerate(_values(text), start=1):
        if value is None:
            continue  # an empty document, as a leading --- makes one
        for body, place in _objects(value, node):
            if isinstance(body, dict):
                yield Document(file=file, number=number, body=body, node=place)
            else:
                line = place.start_mark.line + 1 if place is not None else None
                wants = "an object with apiVersion, kind, metadata and spec"
                yield Fault(file=file, document=number, line=line, path="", got=type(body).__name__, wants=wants)


def _values(text: str) -> Iterator[tuple[Any, yaml.Node | None]]:
    if len(text) > MAX_CHARACTERS:
        raise UnreadableError(f"{len(text)} characters", f"at most {MAX_CHARACTERS}")
    if text.lstrip()[:1] == "{":
        try:
            yield _from_json(text), None
        except json.JSONDecodeError:
            pass  # not JSON: YAML in flow style, or faulty, which YAML tells with its line
        else:
            return
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            yield _Reader().value(node, 0), node
    except TooDeepError:
        raise UnreadableError(*_TOO_DEEP) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UnreadableError(
            " ".join((error.problem or "a fault").split()), "YAML or JSON", mark.line + 1 if mark is not None else None
        ) from None
    except yaml.YAMLError as error:
        raise UnreadableError(" ".join(str(error).split()), "YAML or JSON") from None


def _objects(value: Any, node: yaml.Node | None) -> Iterator[tuple[Any, yaml.Node | None]]:
    """Yield the items of a list of objects, or the object itself."""
    kind = value.get("kind") if isinstance(value, dict) else None
    items = value.get("items") if isinstance(kind, str) and kind.endswith(_LIST) else None
    if not isinstance(items, list):
        yield value, node
        return
    found = _child(node, "items") if node is not None else None
    nodes = found[0].value if found is not None and isinstance(found[0], yaml.SequenceNode) else [None] * len(items)
    # The API server leaves out of a NodeList's items what the list says already.
    implied = {"apiVersion": value.get("apiVersion"), "kind": str(kind).removesuffix(_LIST)} if kind != _LIST else {}
    for item, place in zip(items, nodes, strict=True):
        yield {**implied, **item} if isinstance(item, dict) else item, place


def _child(node: yaml.Node, part: int | str) -> tuple[yaml.Node, int] | None:
    """Return a child node and the line on which it is named."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item, item.start_mark.line + 1
    return None


# -------------------------------------------------------------------------------------------------------- JSON


def _from_json(text: str) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_int=_integer)
    except RecursionError:
        raise UnreadableError(*_TOO_DEEP) from None
    layer, depth = [value], 0
    while layer:
        if depth > MAX_DEPTH:
            raise UnreadableError(*_TOO_DEEP)
        layer, depth = [item for outer in layer for item in _items(outer)], depth + 1
    return value


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise UnreadableError(f"the key {key!r} twice", "each key once")
        result[key] = value
    return result


# -------------------------------------------------------------------------------------------------------- YAML


class TooDeepError(yaml.YAMLError):
    """More levels than anything that is meant to be read has."""

    problem = _TOO_DEEP[0]


class BoundedLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # its base is chosen at run time
    """The safe loader, of texts whose depth ends: each level takes some of the stack, and without it the process ends.

    Levels that are many but bearable are told later, with their line.
    """

    _depth = 0

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        """Goes a level down."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise TooDeepError(TooDeepError.problem)
        super().descend_resolver(current_node, current_index)

    def ascend_resolver(self) -> None:
        """Comes a level up."""
        self._depth -= 1
        super().ascend_resolver()


class _Loader(BoundedLoader):
    """Composes nodes, with the scalars of kubectl's YAML library instead of YAML 1.1's dates and base 60."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's shape


for _name, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    (
        "bool",
        r"^(?:y|Y|yes|Yes|YES|on|On|ON|true|True|TRUE|n|N|no|No|NO|off|Off|OFF|false|False|FALSE)$",
        list("yYoOtTnNfF"),
    ),
    ("int", r"^[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)$", list("-+0123456789")),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+0123456789."),
    ),
    ("merge", r"^<<$", ["<"]),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)


class _Reader:
    """Turns the nodes of one document into plain values; counts them, since an alias repeats a whole tree."""

    def __init__(self) -> None:
        self._values = 0

    def value(self, node: yaml.Node, depth: int) -> Any:
        """Return the value of a node."""
        line = node.start_mark.line + 1
        self._values += 1
        if self._values > MAX_VALUES:
            raise UnreadableError("too many values (aliases repeat them)", f"at most {MAX_VALUES}", line)
        if depth > MAX_DEPTH:
            raise UnreadableError(*_TOO_DEEP, line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        return _scalar(node.tag.removeprefix(_TAG), node.value, line)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise UnreadableError("a key that is no text", "text", line)
            value = self.value(value_node, depth + 1)
            if key_node.tag == _TAG + "merge":
                for part in value if isinstance(value, list) else [value]:
                    if not isinstance(part, dict):
                        raise UnreadableError("<< with something else", "a mapping to merge", line)
                    merged = {**part, **merged}
                continue
            if key_node.value in own:
                raise UnreadableError(f"the key {key_node.value!r} twice", "each key once", line)
            own[key_node.value] = value
        return {**merged, **own}


def _scalar(tag: str, text: str, line: int) -> Any:
    match tag:
        case "null":
            return None
        case "bool":
            return text.lower() in {"y", "yes", "on", "true"}
        case "int":
            return _integer(text)
        case "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        case "str" | "timestamp" | "binary":
            return text
    raise UnreadableError(f"the tag {tag!r}", "plain YAML", line)


def _integer(text: str) -> int | float:
    digits = text.replace("_", "")
    sign, body = (-1, digits[1:]) if digits[0] == "-" else (1, digits.lstrip("+"))
    if len(body) > 1 and body[0] == "0" and body[1].isdigit():
        body = f"0o{body[1:]}"  # as YAML 1.1 writes base 8
    if len(body) > 20 and body.isdigit():
        return sign * float(body)  # beyond every integer field; Python would refuse absurd lengths
    return sign * int(body, 0)
