"""PlacementRequests for tests: a small one, one with every field, and systematic damage to it by the schema."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

Json = dict[str, Any]
Path = tuple[int | str, ...]


def small_request(name: str = "small", **spec: Any) -> Json:
    """A valid request; keywords replace fields of the spec."""
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementRequest",
        "metadata": {"name": name},
        "spec": {
            "model": {"name": "meta-llama/Llama-3.1-8B-Instruct"},
            "workload": {"inputTokens": 1024, "outputTokens": 256},
            "pools": [{"name": "l40s", "gpu": "L40S", "nodes": 1, "gpusPerNode": 4, "pricePerGPUHour": 1.2}],
            **spec,
        },
    }


def full_request(name: str = "full") -> Json:
    """A valid request in which every field of the spec stands, none with its default."""
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementRequest",
        "metadata": {"name": name},
        "spec": {
            "suspend": True,
            "model": {
                "name": "private/mixture",
                "architecture": {
                    "layers": 48,
                    "hiddenSize": 4096,
                    "intermediateSize": 14336,
                    "attentionHeads": 32,
                    "keyValueHeads": 8,
                    "headDim": 128,
                    "vocabSize": 128256,
                    "tieWordEmbeddings": True,
                    "nativePrecision": "fp8",
                    "maxPositionEmbeddings": 131072,
                    "mixtureOfExperts": {
                        "experts": 64,
                        "expertsPerToken": 8,
                        "moeIntermediateSize": 2048,
                        "sharedIntermediateSize": 1024,
                        "denseLayers": 3,
                    },
                    "latentAttention": {
                        "kvLoraRank": 512,
                        "qkRopeHeadDim": 64,
                        "qLoraRank": 1536,
                        "qkNopeHeadDim": 96,
                        "vHeadDim": 112,
                    },
                },
                "maxModelLen": 8192,
                "precisions": [{"name": "fp8", "driftPercent": 0.12, "speedup": 1.4}],
            },
            "workload": {"inputTokens": 2048, "outputTokens": 512, "tokenBasis": "Output", "concurrency": 48},
            "slo": {"ttft": "2s", "tpot": "50ms"},
            "pools": [
                {
                    "name": "own",
                    "accelerator": {
                        "name": "Own-1",
                        "memoryGiB": 96.5,
                        "memoryBandwidthGBps": 4000,
                        "tflops16Bit": 900,
                        "tflopsFP8": 1800,
                        "topsINT8": 1700,
                        "tflopsFP4": 3600,
                        "supportsBF16": False,
                        "computeCapability": "10.0",
                        "vendor": "own-vendor",
                        "allReduceGBps": 350.5,
                    },
                    "nodes": 3,
                    "gpusPerNode": 4,
                    "pricePerGPUHour": 2.49,
                    "billing": "PerNode",
                    "interconnect": {"intraNodeGBps": 400, "interNodeGBps": 45.5},
                    "maxTensorParallel": 4,
                },
                {
                    "name": "known",
                    "gpu": "L40S",
                    "nodes": 2,
                    "gpusPerNode": 8,
                    "pricePerGPUHour": 1.2,
                    "billing": "PerNode",
                    "maxTensorParallel": 4,
                },
            ],
            "parallelism": {
                "tensor": [1, 4],
                "maxPipeline": 6,
                "minLayersPerStage": 2,
                "allowMixedPools": True,
                "runtime": "any",
            },
            "objective": {"type": "Weighted", "costWeight": 0.75, "minTokensPerSecond": 100.5},
            "gates": {
                "maxCostPerMillionTokens": 2.5,
                "maxCostPerHour": 40.25,
                "maxQuantizationDriftPercent": 0.5,
                "onViolation": "Warn",
                "onUnknown": "Pass",
            },
            "performance": {
                "measurements": [
                    {
                        "gpu": "L40S",
                        "tensorParallel": 4,
                        "pipelineParallel": 1,
                        "precision": "fp8",
                        "inputTokens": 2048,
                        "outputTokens": 512,
                        "requestsPerSecond": 0.9,
                        "concurrency": 64,
                        "ttft": "1.2s",
                        "tpot": "45ms",
                    }
                ]
            },
            "solver": {"method": "Enumeration", "timeLimit": "1m30s", "frontier": False},
        },
    }


def example_of(schema: Mapping[str, Any]) -> Any:
    """A value that fits a schema and sets every field of it."""
    if "properties" in schema:
        return {name: example_of(below) for name, below in schema["properties"].items()}
    if "additionalProperties" in schema:
        return {"key": example_of(schema["additionalProperties"])}
    if "items" in schema:
        return [example_of(schema["items"]) for _ in range(schema.get("minItems", 1))]
    return schema["enum"][-1] if "enum" in schema else _example_scalar(schema)


def _example_scalar(schema: Mapping[str, Any]) -> Any:
    text = "2026-11-21T10:00:00Z" if schema.get("format") == "date-time" else "Text"
    plain = {"integer": int(schema.get("minimum", 6)) + 1, "number": 1.5, "boolean": True, "string": text}
    return plain[schema["type"]]


def field_names(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The path of every field below a schema, without list positions: `spec.pools.gpu`."""
    for name, below in schema.get("properties", {}).items():
        yield f"{path}{name}"
        yield from field_names(below, f"{path}{name}.")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            yield from field_names(schema[key], path)


def named_fields(value: Any, path: str = "") -> Iterator[str]:
    """The path of every field that stands in a value."""
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield f"{path}{name}"
            yield from named_fields(below, f"{path}{name}.")
    elif isinstance(value, list):
        for item in value:
            yield from named_fields(item, path)


def damaged(schema: Mapping[str, Any], body: Json, at: Path = ("spec",)) -> Iterator[tuple[str, Json]]:
    """Yield (what was done, damaged body) for every constraint of the schema that a value of the body can break."""
    value = _get(body, at)
    where = ".".join(map(str, at))
    for what, bad in _bad_values(schema, value):
        yield f"{where} {what}", replaced(body, at, bad)
    if isinstance(value, dict) and "properties" in schema:
        yield f"{where} unknown field", replaced(body, (*at, "unheardOf"), 1)
        for name in value:
            if name in schema.get("required", ()):
                yield f"{where}.{name} missing", _without(body, (*at, name))
            yield from damaged(schema["properties"][name], body, (*at, name))
    if isinstance(value, dict) and "additionalProperties" in schema:
        many = {f"key-{index}": next(iter(value.values())) for index in range(schema["maxProperties"] + 1)}
        yield f"{where} too many keys", replaced(body, at, many)
        for name in value:
            yield from damaged(schema["additionalProperties"], body, (*at, name))
    if isinstance(value, list):
        for index in range(len(value)):
            yield from damaged(schema["items"], body, (*at, index))


def _bad_values(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[str, Any]]:
    kind = schema["type"]
    for wrong in ("text", 3, 2.5, True, [1], {"a": 1}):
        if not _fits(kind, wrong):
            yield f"= {wrong!r}", wrong
    if "enum" in schema:
        yield "outside of the enum", "Nothing"
    elif kind in {"integer", "number"}:
        yield from _out_of_bounds(schema)
    elif kind == "string":
        yield from _bad_texts(schema, value)
    elif kind == "array":
        yield from _bad_lists(schema, value)


def _out_of_bounds(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "below its minimum", schema["minimum"] - (0 if schema.get("exclusiveMinimum") else 1)
    yield "above its maximum", schema["maximum"] + 1


def _bad_texts(schema: Mapping[str, Any], value: str) -> Iterator[tuple[str, Any]]:
    if value.startswith("20") and "T" in value:
        yield "on no day", "2026-02-30T00:00:00Z"
        yield "at no hour", "2026-02-28T24:00:00Z"
    yield "empty", ""
    yield "too long", (value or "a") * (schema["maxLength"] + 1)
    if "pattern" in schema:
        yield "outside of the pattern", "?!"


def _bad_lists(schema: Mapping[str, Any], value: list[Any]) -> Iterator[tuple[str, Any]]:
    if value:
        yield "too many", value * (schema["maxItems"] + 1)
    if schema.get("minItems"):
        yield "too few", []
    if value and schema.get("x-kubernetes-list-type") in {"set", "map"}:
        yield "twice the same", [value[0], *value]


def _fits(kind: str, value: Any) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "array":
            return isinstance(value, list)
    return isinstance(value, dict)


def _get(body: Any, at: Path) -> Any:
    for part in at:
        body = body[part]
    return body


def replaced(body: Json, at: Path, value: Any) -> Json:
    """A copy of the body with another value at a place."""
    changed = deepcopy(body)
    _get(changed, at[:-1])[at[-1]] = value
    return changed


def _without(body: Json, at: Path) -> Json:
    changed = deepcopy(body)
    del _get(changed, at[:-1])[at[-1]]
    return changed
