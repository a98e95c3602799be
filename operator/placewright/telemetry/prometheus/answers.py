"""What Prometheus answers, read strictly: the JSON of /api/v1/query and /api/v1/query_range."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from placewright.telemetry.prometheus.faults import FaultKind, QueryError, one_line

_NUMBER: Final = re.compile(r"[+-]?(Inf|NaN|([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?)")
_MOST_WARNINGS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of an answer: (Unix time, value) points in ascending time; an instant answer has one point."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer; no series means that nothing was found. Values may be NaN or infinite."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


_Point = tuple[float, str]


class _Sample(_Part):
    metric: dict[str, str]
    value: _Point


class _Samples(_Part):
    metric: dict[str, str]
    values: list[_Point]


class _Vector(_Part):
    result_type: Literal["vector"] = Field(alias="resultType")
    result: list[_Sample]


class _Matrix(_Part):
    result_type: Literal["matrix"] = Field(alias="resultType")
    result: list[_Samples]


class _Scalar(_Part):
    result_type: Literal["scalar"] = Field(alias="resultType")
    result: _Point


class _Success(_Part):
    status: Literal["success"]
    data: Annotated[_Vector | _Matrix | _Scalar, Field(discriminator="result_type")]
    warnings: list[str] = []
    infos: list[str] = []


class _Failure(_Part):
    status: Literal["error"]
    error_type: str = Field(alias="errorType")
    error: str = ""


_ANSWER: Final[TypeAdapter[_Success]] = TypeAdapter(_Success)
_FAILURE: Final[TypeAdapter[_Failure]] = TypeAdapter(_Failure)


def read_answer(body: bytes, *, max_series: int) -> Answer:
    """Read the body of a 200.

    Args:
        body: JSON.
        max_series: more are a fault; a part of them would be a wrong figure.

    Raises:
        QueryError: BadAnswer or TooManySeries.
    """
    try:
        read = _ANSWER.validate_json(body)
    except ValidationError as error:
        raise QueryError(FaultKind.BAD_ANSWER, _why(error)) from None
    data = read.data
    found: tuple[Series, ...]
    if isinstance(data, _Scalar):
        found = (Series(labels={}, points=(_point(data.result),)),)
    elif isinstance(data, _Vector):
        found = tuple(Series(labels=each.metric, points=(_point(each.value),)) for each in data.result)
    else:
        found = tuple(Series(labels=each.metric, points=_points(each.values)) for each in data.result)
    if len(found) > max_series:
        raise QueryError(FaultKind.TOO_MANY_SERIES, f"more than {max_series} series")
    told = [one_line(each) for each in (*read.warnings, *read.infos)]
    return Answer(series=found, warnings=tuple(told[:_MOST_WARNINGS]))


def read_failure(body: bytes) -> tuple[str, str] | None:
    """Error type and text of Prometheus' own error answer; None when the body is none."""
    try:
        read = _FAILURE.validate_json(body)
    except ValidationError:
        return None
    return one_line(read.error_type), one_line(read.error)


def _points(given: list[_Point]) -> tuple[tuple[float, float], ...]:
    points = tuple(_point(each) for each in given)
    if any(later[0] <= earlier[0] for earlier, later in pairwise(points)):
        raise QueryError(FaultKind.BAD_ANSWER, "points are not in ascending time")
    return points


def _point(given: _Point) -> tuple[float, float]:
    time, text = given
    if _NUMBER.fullmatch(text) is None:
        raise QueryError(FaultKind.BAD_ANSWER, f"a value is {one_line(text)[:40]!r}, wants a number")
    return time, float(text)


def _why(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
