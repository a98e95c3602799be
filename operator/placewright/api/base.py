"""What all API types share: strict camelCase models, durations, and CEL rules kept beside the field they guard."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from placewright.core.errors import InvalidRequestError

GROUP: Final = "placewright.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

RULES_KEY: Final = "x-kubernetes-validations"

# Bounded so that every match is a duration for Go (292 years) and a whole number of microseconds for cel-python.
DURATION_PATTERN: Final = r"^([0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m|h))+$"
DURATION_MAX_LENGTH: Final = 16
LABEL_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
CAPABILITY_PATTERN: Final = r"^[0-9]{1,2}\.[0-9]$"
# Of this century, and no 30th of February: the API server's own date-time format lets values pass that are no text.
TIME_PATTERN: Final = (
    r"^20([0-9]{2}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    r"|02-(0[1-9]|1[0-9]|2[0-8]))|([02468][048]|[13579][26])-02-29)"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
LABEL_KEY_PATTERN: Final = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
# No user, password or query: a resource is no place for a secret.
URL_PATTERN: Final = (
    r"^https?://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]{0,512})?$"
)
DATA_KEY_PATTERN: Final = r"^[-._a-zA-Z0-9]+$"
ABSOLUTE_PATH_PATTERN: Final = r"^/[A-Za-z0-9._/-]+$"
LABEL_VALUE_PATTERN: Final = r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
CHECKPOINT_PATTERN: Final = r"^[A-Za-z0-9/._][A-Za-z0-9/._:@+=~-]*$"  # never a flag, nor a variable of Kubernetes
IMAGE_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$"
HOSTNAME_PATTERN: Final = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
CRON_PATTERN: Final = r"^[0-9A-Za-z*,/#-]{1,60}( {1,3}[0-9A-Za-z*,/#-]{1,60}){4}$"
ZONE_PATTERN: Final = r"^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$"

PATTERN_WORDS: Final = {
    DURATION_PATTERN: "a duration such as 50ms, 1.2s, 30m",
    LABEL_PATTERN: "lower-case letters, digits and hyphens, with a letter or digit at both ends",
    SUBDOMAIN_PATTERN: "lower-case letters, digits, hyphens and dots, with a letter or digit at both ends",
    CAPABILITY_PATTERN: 'a compute capability such as "8.9"',
    TIME_PATTERN: "a time such as 2026-11-21T10:00:00Z",
    LABEL_KEY_PATTERN: "the key of a label, such as example.com/tier",
    URL_PATTERN: "an address such as http://opencost.opencost:9003, without user, password or query",
    DATA_KEY_PATTERN: "the key of a ConfigMap's data: letters, digits, - _ .",
    ABSOLUTE_PATH_PATTERN: "an absolute path of letters, digits, - _ . /",
    CHECKPOINT_PATTERN: "a repository or a path: letters, digits and / . _ : @ + = ~ -",
    IMAGE_PATTERN: "an image such as registry/name:tag or registry/name@digest",
    HOSTNAME_PATTERN: "a host name such as chat.example.com or *.example.com",
    CRON_PATTERN: "five fields of cron such as '0 8 * * MON-FRI': minute, hour, day, month, weekday",
    ZONE_PATTERN: "a time zone such as Europe/Berlin or UTC",
    LABEL_VALUE_PATTERN: "the value of a label: letters, digits, - _ . with a letter or digit at both ends",
}
"""Patterns in the words of the person who has to fix the value."""

_DURATION_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS_PER_UNIT: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

# Words whose capitals are not those of plain camelCase; the first word of a name is always lower case.
_WORDS: Final = {
    "gpu": "GPU",
    "gpus": "GPUs",
    "gib": "GiB",
    "kwh": "KWh",
    "gbps": "GBps",
    "fp4": "FP4",
    "fp8": "FP8",
    "int8": "INT8",
    "bf16": "BF16",
    "16bit": "16Bit",
}


def camel(name: str) -> str:
    """Return the API's name of a Python field: `price_per_gpu_hour` -> `pricePerGPUHour`."""
    first, *rest = name.split("_")
    return first + "".join(_WORDS.get(word, word.capitalize()) for word in rest)


def rule(expression: str, message: str, *, field_path: str | None = None) -> dict[str, Any]:
    """Return one CEL rule of `x-kubernetes-validations`.

    Args:
        expression: what must hold of `self`; guarded with has(), since defaults come one level at a time.
        message: starts with "wants"; the API server puts the path of the field before it.
        field_path: the field at fault below `self`, `.maxModelLen`; None: the whole.
    """
    assert message.startswith("wants "), message
    entry = {"rule": expression, "message": message}
    if field_path is not None:
        entry["fieldPath"] = field_path
    return entry


def rules(*entries: dict[str, Any]) -> dict[str, Any]:
    """Return the schema extension that holds these CEL rules."""
    return {RULES_KEY: list(entries)}


def within(field: str, least: str, most: str) -> dict[str, Any]:
    """Return the CEL rule that a duration, where it is given, is between two others."""
    expression = (
        f"has(self.{field})"
        f" ? duration(self.{field}) >= duration('{least}') && duration(self.{field}) <= duration('{most}') : true"
    )
    return rule(expression, f"wants {least} to {most}", field_path=f".{field}")


def list_map(key: str) -> dict[str, Any]:
    """Return the schema extension of a list whose entries are told apart by this field."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def duration_seconds(text: str, *, field: str) -> float:
    """Read a Go-style duration (`1m30s`, `50ms`, `1.2s`) as seconds.

    Raises:
        InvalidRequestError: not a duration.
    """
    if re.fullmatch(DURATION_PATTERN.strip("^$"), text) is None:
        raise InvalidRequestError(field, got=repr(text), wants=PATTERN_WORDS[DURATION_PATTERN])
    return sum(float(number) * _SECONDS_PER_UNIT[unit] for number, unit in _DURATION_PART.findall(text))


def unix_seconds(text: str) -> float:
    """Read a time of RFC 3339 that fits TIME_PATTERN as Unix seconds."""
    return datetime.fromisoformat(text).timestamp()


class Inert(BaseModel):
    """Base of all API types: camelCase outside, no coercion, unknown fields are faults, no behaviour."""

    model_config = ConfigDict(
        alias_generator=camel,
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        protected_namespaces=(),
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        """Leave out known fields that are null, as the API server does."""
        if not isinstance(data, dict) or None not in data.values():
            return data
        known = {field.alias for field in cls.model_fields.values()}
        return {name: value for name, value in data.items() if value is not None or name not in known}


class StatusPart(BaseModel):
    """Base of the status types. They give the CRD its schema; statuses are written as plain dictionaries."""

    model_config = ConfigDict(
        alias_generator=camel, extra="ignore", frozen=True, protected_namespaces=(), defer_build=True
    )


Duration = Annotated[
    str,
    Field(
        pattern=DURATION_PATTERN,
        max_length=DURATION_MAX_LENGTH,
        json_schema_extra=rules(
            rule("duration(self) > duration('0s')", "wants a duration longer than zero, such as 50ms, 1.2s, 30m")
        ),
    ),
]
"""A Go-style duration longer than zero: 50ms, 1.2s, 30m."""

Span = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=DURATION_MAX_LENGTH)]
"""A Go-style duration, also of no length: 0s, 5m, 30m."""


Time = Annotated[str, Field(pattern=TIME_PATTERN, max_length=35)]
"""A time of RFC 3339: 2026-11-21T10:00:00Z."""

Label = Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL_PATTERN)]
"""A DNS label, as Kubernetes names are."""

Key = Annotated[str, Field(min_length=1, max_length=253)]
"""A key of a catalog, or any label."""

Subdomain = Annotated[str, Field(min_length=1, max_length=253, pattern=SUBDOMAIN_PATTERN)]
"""The name of most Kubernetes objects."""

LabelKey = Annotated[str, Field(max_length=317, pattern=LABEL_KEY_PATTERN)]
LabelValue = Annotated[str, Field(max_length=63, pattern=LABEL_VALUE_PATTERN)]


def _without_nulls(value: Any) -> Any:
    """Leave out entries that are null, as the API server does."""
    return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


LabelMap = Annotated[dict[str, LabelValue], Field(max_length=64), BeforeValidator(_without_nulls)]
"""Labels by key. A CRD cannot bound the keys of a map; a key that is none selects nothing."""

Dollars = Annotated[float, Field(gt=0, le=1_000_000_000)]
"""A limit in USD."""

Promql = Annotated[str, Field(min_length=1, max_length=4096)]
"""A query for Prometheus."""

PrecisionName = Literal["bf16", "fp16", "fp8", "int8", "int4", "fp4"]
Amount = Annotated[float, Field(gt=0, le=1_000_000_000)]
"""A positive amount."""
