"""Every CEL rule and every bound on a real API server, and that offline validation says the same."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from placewright.api.base import RULES_KEY
from placewright.api.cel import visit
from placewright.api.crd import spec_schema
from placewright.api.kinds import KINDS
from placewright.api.validate import validate
from tests.controlplane.rest import ApiError
from tests.controlplane.server import ControlPlane
from tests.support.kind_bodies import full_resources, small_policy, small_pool, small_profile
from tests.support.resources import damaged, replaced, small_request
from tests.support.rule_cases import BROKEN, KEPT

pytestmark = pytest.mark.usefixtures("crds")

Json = dict[str, Any]
Answer = Callable[[Json], str]


@pytest.fixture
def answer(control_plane: ControlPlane, namespace: str) -> Answer:
    """What the API server says to a body, without keeping it; empty when it takes it."""

    def ask(body: Json) -> str:
        kind = KINDS[body["kind"]]
        inside = f"namespaces/{namespace}/" if kind.namespaced else ""
        path = f"/apis/placewright.dev/v1alpha1/{inside}{kind.plural}?dryRun=All&fieldValidation=Strict"
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


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_refused_with_the_field_and_what_it_wants(name: str, answer: Answer) -> None:
    body, where, message = BROKEN[name]

    said = answer(body)

    assert f"{where}: " in said
    assert message in said
    assert offline(body), "offline validation lets it pass"


@pytest.mark.parametrize("name", KEPT)
def test_what_breaks_no_rule_is_taken(name: str, answer: Answer) -> None:
    assert answer(KEPT[name]) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_is_broken_by_a_test(kind: str) -> None:
    said = {message for body, _, message in BROKEN.values() if body["kind"] == kind}
    # The facts of an accelerator and the terms of a selector are one type, whichever kind they stand in.
    rules = [rule["message"] for rule in _rules(spec_schema(kind))]

    assert [message for message in rules if not any(message.startswith(part) for part in said)] == []


def _rules(schema: Json) -> list[Json]:
    found = list(schema.get(RULES_KEY, ()))
    for below in schema.get("properties", {}).values():
        found += _rules(below)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found += _rules(schema[key])
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_offline_validation_refuses_what_the_api_server_refuses(kind: str, answer: Answer) -> None:
    """Every type, bound, enum, pattern, required field and key of the schema, broken one at a time."""
    bodies = {
        f"{full['metadata']['name']} {what}": body
        for full in full_resources()[kind]
        for what, body in damaged(spec_schema(kind), full)
    }
    assert len(bodies) > 60

    disagreed = [
        f"{what}: server {said!r}, offline {found}"
        for what, body in bodies.items()
        if bool(said := answer(body)) != bool(found := offline(body))
    ]
    assert disagreed == []


ODD = (None, {"unknown": None}, [None], -1, 1e30, "1.5h", "9999999h", "0.0001ms", "2026-02-29T10:00:00Z", "é" * 64)


def _everywhere() -> Iterator[tuple[Json, tuple[int | str, ...]]]:
    for kind, bodies in full_resources().items():
        for full in bodies:
            for _, _, place in visit(spec_schema(kind), full["spec"], ("spec",)):
                yield full, place


@pytest.mark.parametrize("value", ODD, ids=lambda value: str(value)[:12])
def test_odd_values_are_judged_alike_wherever_they_stand(value: Any, answer: Answer) -> None:
    disagreed = []
    for full, place in _everywhere():
        body = replaced(full, place, value)
        said, found = answer(body), offline(body)
        if bool(said) != bool(found):
            disagreed.append(f"{full['metadata']['name']} {place}: server {said!r}, offline {found}")

    assert disagreed == []


@pytest.mark.parametrize("kind", KINDS)
def test_both_point_at_the_same_field(kind: str, answer: Answer) -> None:
    checked = 0
    for full in full_resources()[kind]:
        for what, body in damaged(spec_schema(kind), full):
            if "= 'text'" not in what:
                continue
            where = what.split(" ")[0]
            dotted = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in where.split(".")).lstrip(".")
            assert f" {dotted}: got 'text'" in offline(body)[0], what
            assert f"{dotted}: Invalid value: " in answer(body) or "strict decoding" in answer(body), what
            checked += 1
    assert checked > 8


@pytest.mark.parametrize(
    "labels",
    [{"a b": "c"}, {"a": "b c"}, {"a": "x" * 64}, {"x" * 64: "a"}, {"/a": "b"}, {"a": ""}, {"example.com/a": "B_1.c"}],
)
def test_labels_are_judged_alike(labels: dict[str, str], answer: Answer) -> None:
    body = small_request()
    body["metadata"]["labels"] = labels

    assert bool(answer(body)) == bool(offline(body))


NAMES = ("", "Upper", "under_score", "a" * 254, "a" * 63, "a" * 64, "-a", "a.b-c", "a..b", "9")


@pytest.mark.parametrize("small", [small_request, small_pool, small_policy, small_profile])
def test_names_are_judged_alike(small: Callable[[str], Json], answer: Answer) -> None:
    disagreed = [name for name in NAMES if bool(answer(small(name))) != bool(offline(small(name)))]

    assert disagreed == []


@pytest.mark.parametrize("small", [small_pool, small_policy, small_profile])
def test_a_namespace_of_what_is_cluster_wide_is_judged_alike(small: Callable[[], Json], answer: Answer) -> None:
    body = small()
    body["metadata"]["namespace"] = "serving"

    assert bool(answer(body)) == bool(offline(body))


def test_an_unknown_field_is_named_with_what_was_meant(answer: Answer) -> None:
    body = small_request(gate={"maxCostPerHour": 3})

    assert 'unknown field "spec.gate"' in answer(body)
    assert offline(body) == ["request.json: spec.gate: got an unknown field, wants gates?"]
