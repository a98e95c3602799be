"""Every CEL rule and every bound on a real API server, and that offline validation says the same."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from placewright.api.base import RULES_KEY
from placewright.api.cel import visit
from placewright.api.crd import PLURAL, spec_schema
from placewright.api.validate import validate
from tests.controlplane.rest import ApiError
from tests.controlplane.server import ControlPlane
from tests.support.resources import damaged, full_request, replaced, small_request

pytestmark = pytest.mark.usefixtures("crds")

Json = dict[str, Any]
Answer = Callable[[Json], str]


@pytest.fixture
def answer(control_plane: ControlPlane, namespace: str) -> Answer:
    """What the API server says to a body, without keeping it; empty when it takes it."""
    path = f"/apis/placewright.dev/v1alpha1/namespaces/{namespace}/{PLURAL}?dryRun=All&fieldValidation=Strict"

    def ask(body: Json) -> str:
        try:
            control_plane.admin.create(path, body)
        except ApiError as error:
            if error.status not in (400, 422):
                raise
            return error.message
        return ""

    return ask


def offline(body: Json) -> list[str]:
    return [str(fault) for fault in validate(json.dumps(body), file="request.json", catalog=False).faults]


def pool(**changes: Any) -> Json:
    return {"name": "l40s", "nodes": 1, "gpusPerNode": 4, "pricePerGPUHour": 1.2, **changes}


OWN = {"name": "Own-1", "memoryGiB": 96, "memoryBandwidthGBps": 4000, "tflops16Bit": 900}
LINKS = {"intraNodeGBps": 400, "interNodeGBps": 50}
ARCHITECTURE = {"layers": 4, "attentionHeads": 32, "keyValueHeads": 8}


def model(**architecture: Any) -> Json:
    return {"model": {"name": "own", "architecture": architecture}}


def row(**changes: Any) -> Json:
    measured = {"gpu": "L40S", "tensorParallel": 1, "pipelineParallel": 1, "precision": "bf16"}
    tokens = {"inputTokens": 1024, "outputTokens": 256, "requestsPerSecond": 1.5}
    return {"performance": {"measurements": [{**measured, **tokens, **changes}]}}


# (fields of the spec that break a rule, where the API server says it, what it says)
BROKEN: dict[str, tuple[Json, str, str]] = {
    "neither gpu nor accelerator": ({"pools": [pool()]}, "spec.pools[0]", "wants exactly one of gpu"),
    "gpu and accelerator": (
        {"pools": [pool(gpu="L40S", accelerator=OWN, interconnect=LINKS)]},
        "spec.pools[0]",
        "wants exactly one of gpu",
    ),
    "accelerator without links": (
        {"pools": [pool(accelerator=OWN)]},
        "spec.pools[0].interconnect",
        "wants intraNodeGBps and interNodeGBps beside accelerator",
    ),
    "accelerator with one link": (
        {"pools": [pool(accelerator=OWN, interconnect={"intraNodeGBps": 400})]},
        "spec.pools[0].interconnect",
        "wants intraNodeGBps and interNodeGBps beside accelerator",
    ),
    "heads that do not divide": (
        model(attentionHeads=32, keyValueHeads=7),
        "spec.model.architecture.keyValueHeads",
        "wants a divisor of attentionHeads",
    ),
    "more experts per token than experts": (
        model(mixtureOfExperts={"experts": 8, "expertsPerToken": 9}),
        "spec.model.architecture.mixtureOfExperts.expertsPerToken",
        "wants at most experts",
    ),
    "all layers dense": (
        model(layers=4, mixtureOfExperts={"denseLayers": 4}),
        "spec.model.architecture.mixtureOfExperts.denseLayers",
        "wants less than layers",
    ),
    "sequences shorter than the workload": (
        {"model": {"name": "own", "maxModelLen": 1279}},
        "spec.model.maxModelLen",
        "wants at least workload.inputTokens + workload.outputTokens",
    ),
    "cost weight without Weighted": (
        {"objective": {"costWeight": 0.5}},
        "spec.objective.costWeight",
        "wants type Weighted",
    ),
    "least cost without a floor": (
        {"objective": {"type": "Cost"}},
        "spec.objective.minTokensPerSecond",
        "wants a value with type Cost",
    ),
    "no time": ({"solver": {"timeLimit": "0s"}}, "spec.solver.timeLimit", "wants a duration longer than zero"),
    "too much time": ({"solver": {"timeLimit": "61m"}}, "spec.solver.timeLimit", "wants at most 1h"),
    "no time to the first token": ({"slo": {"ttft": "0ms"}}, "spec.slo.ttft", "wants a duration longer than zero"),
    "no time per token": ({"slo": {"tpot": "0.0s"}}, "spec.slo.tpot", "wants a duration longer than zero"),
    "a row with no time to the first token": (
        row(ttft="0s"),
        "spec.performance.measurements[0].ttft",
        "wants a duration longer than zero",
    ),
    "a row with no time per token": (
        row(tpot="0s"),
        "spec.performance.measurements[0].tpot",
        "wants a duration longer than zero",
    ),
}

# Close to the above, and fine.
KEPT: dict[str, Json] = {
    "gpu": {"pools": [pool(gpu="L40S")]},
    "accelerator": {"pools": [pool(accelerator=OWN, interconnect=LINKS)]},
    "heads that divide": model(**ARCHITECTURE),
    "heads of which one is the catalog's": model(keyValueHeads=7),
    "as many experts per token as experts": model(mixtureOfExperts={"experts": 8, "expertsPerToken": 8}),
    "experts of which one is the catalog's": model(mixtureOfExperts={"expertsPerToken": 9}),
    "one layer with experts": model(layers=4, mixtureOfExperts={"denseLayers": 3}),
    "sequences as long as the workload": {"model": {"name": "own", "maxModelLen": 1280}},
    "cost weight with Weighted": {"objective": {"type": "Weighted", "costWeight": 0}},
    "Weighted alone": {"objective": {"type": "Weighted"}},
    "least cost with a floor": {"objective": {"type": "Cost", "minTokensPerSecond": 100}},
    "a floor with another type": {"objective": {"minTokensPerSecond": 100}},
    "an hour": {"solver": {"timeLimit": "59m60s"}},
    "a short time": {"slo": {"ttft": "1ms", "tpot": "0.5ms"}},
    "a row": row(ttft="1.2s", tpot="45ms"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_refused_with_the_field_and_what_it_wants(name: str, answer: Answer) -> None:
    changes, where, message = BROKEN[name]
    body = small_request(**changes)

    said = answer(body)
    assert f"{where}: " in said
    assert message in said

    faults = offline(body)
    assert len(faults) == 1, faults
    assert f" {where}: got " in faults[0]
    assert message in faults[0]


@pytest.mark.parametrize("name", KEPT)
def test_what_breaks_no_rule_is_taken(name: str, answer: Answer) -> None:
    body = small_request(**KEPT[name])

    assert answer(body) == ""
    assert offline(body) == []


def test_every_rule_is_broken_by_a_test() -> None:
    said = {message for _, _, message in BROKEN.values()}
    rules = [rule["message"] for rule in _rules(spec_schema())]

    assert [message for message in rules if not any(message.startswith(part) for part in said)] == []


def _rules(schema: Json) -> list[Json]:
    found = list(schema.get(RULES_KEY, ()))
    for below in schema.get("properties", {}).values():
        found += _rules(below)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found += _rules(schema[key])
    return found


def test_offline_validation_refuses_what_the_api_server_refuses(answer: Answer) -> None:
    """Every type, bound, enum, pattern, required field and key of the schema, broken one at a time."""
    full = full_request()
    bodies = dict(damaged(spec_schema(), full))
    assert len(bodies) > 300

    disagreed = [
        f"{what}: server {said!r}, offline {found}"
        for what, body in bodies.items()
        if bool(said := answer(body)) != bool(found := offline(body))
    ]
    assert disagreed == []


ODD = (None, {"unknown": None}, [None], -1, 1e30, "1.5h", "9999999h", "0.0001ms", "é" * 64)


@pytest.mark.parametrize("value", ODD, ids=lambda value: str(value)[:12])
def test_odd_values_are_judged_alike_wherever_they_stand(value: Any, answer: Answer) -> None:
    full = full_request()
    disagreed = []
    for _, _, place in visit(spec_schema(), full["spec"], ("spec",)):
        body = replaced(full, place, value)
        said, found = answer(body), offline(body)
        if bool(said) != bool(found):
            disagreed.append(f"{place}: server {said!r}, offline {found}")

    assert disagreed == []


def test_both_point_at_the_same_field(answer: Answer) -> None:
    full = full_request()
    places = {location: None for _, _, location in visit(spec_schema(), full["spec"], ("spec",))}
    assert len(places) > 80

    for what, body in damaged(spec_schema(), full):
        if "= 'text'" not in what:
            continue
        where = what.split(" ")[0]
        dotted = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in where.split(".")).lstrip(".")
        assert f" {dotted}: got 'text'" in offline(body)[0], what
        assert f"{dotted}: Invalid value: " in answer(body) or "strict decoding" in answer(body), what


@pytest.mark.parametrize(
    "labels",
    [{"a b": "c"}, {"a": "b c"}, {"a": "x" * 64}, {"x" * 64: "a"}, {"/a": "b"}, {"a": ""}, {"example.com/a": "B_1.c"}],
)
def test_labels_are_judged_alike(labels: dict[str, str], answer: Answer) -> None:
    body = small_request()
    body["metadata"]["labels"] = labels

    assert bool(answer(body)) == bool(offline(body))


@pytest.mark.parametrize("name", ["", "Upper", "under_score", "a" * 254, "-a", "a.b-c", "a..b", "9"])
def test_names_are_judged_alike(name: str, answer: Answer) -> None:
    body = small_request(name)

    assert bool(answer(body)) == bool(offline(body))


def test_an_unknown_field_is_named_with_what_was_meant(answer: Answer) -> None:
    body = small_request(gate={"maxCostPerHour": 3})

    assert 'unknown field "spec.gate"' in answer(body)
    assert offline(body) == ["request.json: spec.gate: got an unknown field, wants gates?"]
