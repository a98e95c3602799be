"""From plain data to the types, with every fault as one line: field path, what it got, what it wants."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from placewright.api import calendar
from placewright.api.base import PATTERN_WORDS
from placewright.api.gpu_pool import GPUPool
from placewright.api.performance_profile import PerformanceProfile
from placewright.api.placement_policy import PlacementPolicy
from placewright.api.resource import PlacementRequest
from placewright.core.errors import InvalidRequestError

Location = tuple[int | str, ...]
Resource = TypeVar("Resource", bound=BaseModel)

_SHOWN_CHARACTERS: Final = 60
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_/-]{1,253}")

_PLAIN_WANTS: Final = {
    "missing": "a value",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text (quote it)",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "finite_number": "a finite number",
}

_BOUND_WANTS: Final = {
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than_equal": "a number of at most {le}",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
    "literal_error": "{expected}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFault:
    """One thing that is wrong with a resource.

    Attributes:
        location: the place of the field, ("spec", "pools", 0, "gpu").
        got: what stands there, as text.
        wants: what may stand there.
        path: the field in words; empty: the location says it.
    """

    location: Location
    got: str
    wants: str
    path: str = ""


def plain(value: Any) -> Any:
    """Return data as kubectl sends it: a number without a fraction is an integer."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def parse(body: Mapping[str, Any]) -> PlacementRequest:
    """Read a PlacementRequest.

    Raises:
        InvalidRequestError: for the first fault; the text names how many more there are.
    """
    request = _parsed(body, PlacementRequest)
    check_calendar(request)
    return request


def check_calendar(request: PlacementRequest) -> None:
    """Check the times of the calendar in which a request is kept awake, which no schema can.

    Raises:
        InvalidRequestError: for the first that is no cron expression, never comes, or is in no known time zone.
    """
    idle = request.spec.idle
    if idle is not None and idle.keep_awake:
        calendar.checked(idle.keep_awake, field="spec.idle.keepAwake")


def parse_pool(body: Mapping[str, Any]) -> GPUPool:
    """Read a GPUPool.

    Raises:
        InvalidRequestError: as parse().
    """
    return _parsed(body, GPUPool)


def parse_policy(body: Mapping[str, Any]) -> PlacementPolicy:
    """Read a PlacementPolicy.

    Raises:
        InvalidRequestError: as parse().
    """
    return _parsed(body, PlacementPolicy)


def parse_profile(body: Mapping[str, Any]) -> PerformanceProfile:
    """Read a PerformanceProfile.

    Raises:
        InvalidRequestError: as parse().
    """
    return _parsed(body, PerformanceProfile)


def _parsed(body: Mapping[str, Any], model: type[Resource]) -> Resource:
    try:
        return model.model_validate(plain(body))
    except ValidationError as error:
        first, *others = field_faults(error, model)
        more = f" (and {len(others)} more)" if others else ""
        raise InvalidRequestError(path_text(first.location), got=first.got, wants=first.wants + more) from None


def field_faults(error: ValidationError, model: type[BaseModel] = PlacementRequest) -> list[FieldFault]:
    """Return pydantic's faults in the words of the resource."""
    return [_fault(details, model) for details in error.errors(include_url=False, include_context=True)]


def path_text(location: Iterable[int | str]) -> str:
    """Return a location as users write it: `spec.pools[0].gpu`."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_NAME.fullmatch(part) is None:
            text += f"[{shown(part)}]"
        else:
            text += f".{part}" if text else part
    return text


def shown(value: Any) -> str:
    """Return a value on one line, cut when long."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _fault(details: ErrorDetails, model: type[BaseModel]) -> FieldFault:
    location = tuple(part for part in details["loc"] if part != "[key]")  # pydantic's mark of a key at fault
    kind, context = details["type"], details.get("ctx", {})
    if kind == "missing":
        return FieldFault(location=location, got="nothing", wants=_PLAIN_WANTS[kind])
    if kind == "extra_forbidden":
        return FieldFault(location=location, got="an unknown field", wants=_known_field(model, location))
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        wants = PATTERN_WORDS.get(pattern, f"text that matches {pattern}")
    elif kind in _BOUND_WANTS:
        wants = _BOUND_WANTS[kind].format(**context)
    else:
        wants = _PLAIN_WANTS.get(kind, details["msg"])
    return FieldFault(location=location, got=shown(details["input"]), wants=wants)


def _known_field(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Say what an unknown field was probably meant to be."""
    parent = _model_at(model, location[:-1])
    if parent is None:
        return "no such field"
    names = [field.alias or name for name, field in parent.model_fields.items()]
    near = get_close_matches(str(location[-1]), names, n=1, cutoff=0.6)
    return f"{near[0]}?" if near else f"one of {', '.join(sorted(names))}"


def _model_at(model: type[BaseModel], location: Iterable[int | str]) -> type[BaseModel] | None:
    current: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int):
            continue
        if current is None:
            return None
        found = (field.annotation for name, field in current.model_fields.items() if part in (field.alias, name))
        current = _model_in(next(found, None))
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside `X | None`, `list[X]` or `Annotated[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in inner if model is not None), None)
