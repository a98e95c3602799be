"""Evaluates the CEL rules of a schema offline, with cel-python instead of the API server's interpreter.

The interpreter is imported when the first rule is evaluated (0.2 s).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from placewright.api.base import RULES_KEY

Location = tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A rule that does not hold: where, what stands there, and the rule's message."""

    location: Location
    value: Any
    message: str


def visit(
    schema: Mapping[str, Any], value: Any, location: Location
) -> Iterator[tuple[Mapping[str, Any], Any, Location]]:
    """Yield every value below one with its schema and place, parents first."""
    yield schema, value, location
    if isinstance(value, Mapping):
        properties, additional = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in value.items():
            below = properties.get(name, additional)
            if isinstance(below, Mapping):
                yield from visit(below, item, (*location, name))
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from visit(schema["items"], item, (*location, index))


def broken_rules(schema: Mapping[str, Any], value: Any, location: Location) -> Iterator[Broken]:
    """Yield the rules that a value breaks; its defaults must be filled in, as the API server does first.

    Args:
        schema: structural schema with `x-kubernetes-validations`.
        value: plain data that fits the schema otherwise.
        location: where the value stands.
    """
    for node, item, where in visit(schema, value, location):
        for rule in node.get(RULES_KEY, ()):
            if not _holds(rule["rule"], item):
                inner = tuple(part for part in rule.get("fieldPath", "").split(".") if part)
                yield Broken(location=(*where, *inner), value=_at(item, inner), message=rule["message"])


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _holds(expression: str, value: Any) -> bool:
    # Texts repeat (thousands of rows with one duration), so their outcome is kept.
    return _text_holds(expression, value) if isinstance(value, str) else _program(expression)(value)


@cache
def _text_holds(expression: str, value: str) -> bool:
    return _program(expression)(value)


@cache
def _program(expression: str) -> Callable[[Any], bool]:
    from celpy.adapter import json_to_cel  # noqa: PLC0415 - slow to import, and needed by validation alone
    from celpy.evaluation import CELEvalError  # noqa: PLC0415 - as above

    environment = _environment()
    program = environment.program(environment.compile(expression))

    def evaluate(value: Any) -> bool:
        try:
            return bool(program.evaluate({"self": json_to_cel(value)}))
        except CELEvalError:
            return False  # the API server, too, refuses what a rule cannot be evaluated on

    return evaluate


@cache
def _environment() -> Any:
    import celpy  # noqa: PLC0415 - slow to import, and needed by validation alone

    return celpy.Environment()
