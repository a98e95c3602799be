import json

import pytest

from placewright.api.validate import validate
from tests.support.resources import full_request, small_request

GOOD = """\
# a comment
apiVersion: placewright.dev/v1alpha1
kind: PlacementRequest
metadata: {name: chat}
spec:
  model: {name: meta-llama/Llama-3.1-8B-Instruct}
  workload: {inputTokens: 1024, outputTokens: 2.56e2}
  pools:
  - {name: l40s, gpu: L40S, nodes: 1, gpusPerNode: 4, pricePerGPUHour: 1.20}
"""


def faults(text: str) -> list[str]:
    return [str(fault) for fault in validate(text, file="a.yaml").faults]


def test_a_good_file_yields_its_requests() -> None:
    found = validate(GOOD + "---\n" + GOOD.replace("chat", "other"), file="a.yaml")

    assert found.faults == ()
    assert [loaded.resource.metadata.name for loaded in found.requests] == ["chat", "other"]
    assert found.requests[0].resource.spec.workload.output_tokens == 256


def test_a_request_with_every_field_is_good_by_the_schema() -> None:
    assert validate(json.dumps(full_request()), file="a.json", catalog=False).faults == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("nodes: 1", "nodes: '1'", "a.yaml:9: spec.pools[0].nodes: got '1', wants a whole number"),
        ("nodes: 1", "nodes: 1.5", "a.yaml:9: spec.pools[0].nodes: got 1.5, wants a whole number"),
        ("nodes: 1", "nodes: true", "a.yaml:9: spec.pools[0].nodes: got true, wants a whole number"),
        ("nodes: 1", "nodes: 0", "a.yaml:9: spec.pools[0].nodes: got 0, wants a number of at least 1"),
        ("nodes: 1, ", "", "a.yaml:9: spec.pools[0].nodes: got nothing, wants a value"),
        ("nodes: 1", "nodez: 1, nodes: 1", "a.yaml:9: spec.pools[0].nodez: got an unknown field, wants nodes?"),
        ("1.20", "'1.20'", "a.yaml:9: spec.pools[0].pricePerGPUHour: got '1.20', wants a number"),
        ("1.20", "0", "a.yaml:9: spec.pools[0].pricePerGPUHour: got 0, wants a number above 0"),
        ("1.20", ".nan", "a.yaml:9: spec.pools[0].pricePerGPUHour: got nan, wants a finite number"),
        ("name: chat", "name: Chat_1", "a.yaml:4: metadata.name: got 'Chat_1', wants lower-case letters"),
        ("L40S,", "L40X,", "a.yaml:9: spec.pools[0].gpu: got 'L40X', wants L40, L40S"),
        ("Llama-3.1-8B-I", "Lama-3.1-8B-I", "a.yaml:6: spec.model.name: got 'meta-llama/Lama-3.1-8B-Instruct', wants"),
        ("8B-Instruct}", "8B-Instruct, maxModelLen: 1279}", "a.yaml:6: spec.model.maxModelLen: got 1279, wants at le"),
        ("1024,", "131000,", "a.yaml:7: spec.workload.inputTokens + outputTokens: got 131256, wants at most the mod"),
        ("v1alpha1", "v1", "a.yaml:2: apiVersion: got 'placewright.dev/v1', wants placewright.dev/v1alpha1?"),
        ("PlacementRequest", "PlacementRequests", "a.yaml:3: kind: got 'PlacementRequests', wants PlacementRequest?"),
        ("kind: PlacementRequest", "x: 1", "a.yaml:2: kind: got nothing, wants PlacementRequest"),
        ("spec:", "slo: {}\nspec:", "a.yaml:5: slo: got an unknown field, wants one of apiVersion, kind, metadata, s"),
    ],
)
def test_a_fault_is_one_line_with_file_field_value_and_wish(old: str, new: str, said: str) -> None:
    assert old in GOOD
    found = faults(GOOD.replace(old, new))

    assert len(found) == 1, found
    assert found[0].startswith(said)


def test_all_faults_are_told_at_once() -> None:
    text = GOOD.replace("nodes: 1", "nodes: -1").replace("1.20", "cheap") + "---\n" + "kind: [\n"

    assert len(faults(GOOD.replace("nodes: 1", "nodes: -1").replace("1.20", "cheap"))) == 2
    assert faults(text)[0].startswith("a.yaml:12: got ")


def test_rules_speak_only_when_the_schema_holds() -> None:
    text = GOOD.replace("gpu: L40S, nodes: 1", "nodes: 0")

    assert faults(text) == ["a.yaml:9: spec.pools[0].nodes: got 0, wants a number of at least 1"]


def test_what_stands_twice_is_a_fault() -> None:
    pool = {"name": "a", "gpu": "L40S", "nodes": 1, "gpusPerNode": 1}
    body = small_request(pools=[pool, pool], parallelism={"tensor": [1, 2, 1]})

    assert faults(json.dumps(body)) == [
        "a.yaml: spec.pools[1].name: got 'a' twice, wants each once",
        "a.yaml: spec.parallelism.tensor[2]: got 1 twice, wants each once",
    ]


def test_a_second_request_of_the_same_name_is_a_fault() -> None:
    assert faults(GOOD + "---\n" + GOOD) == ["a.yaml:14: metadata.name: got 'chat' twice, wants each request once"]
    assert faults(GOOD + "---\n" + GOOD.replace("name: chat", "name: chat, namespace: other")) == []


def test_objects_of_other_kinds_are_passed_over() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: chat}\n"
    found = validate(f"{service}---\n{GOOD}", file="a.yaml")

    assert (len(found.requests), found.others, found.faults) == (1, ("Service",), ())
    assert faults(service) == ["a.yaml: got only 'Service', wants at least one PlacementRequest"]
    assert faults("") == ["a.yaml: got nothing, wants at least one PlacementRequest"]


def test_what_kubectl_prints_can_be_validated_again() -> None:
    body = small_request()
    body["metadata"] |= {
        "uid": "3f",
        "generation": 2,
        "resourceVersion": "7",
        "creationTimestamp": "2026-11-21T10:00:00Z",
        "managedFields": [{"manager": "kubectl"}],
    }
    body["status"] = {"observedGeneration": 2}
    listed = {"apiVersion": "v1", "kind": "List", "items": [body], "metadata": {}}

    assert faults(json.dumps(listed)) == []


def test_many_classes_are_checked_in_the_time_of_a_few() -> None:
    """Their rule says nothing without maxModelLen, and all is looked at with it."""
    several = [{"name": f"c{number}", "inputTokens": 512, "outputTokens": 128} for number in range(128)]
    classes = json.dumps([{**each, "requestsPerSecond": 0.1} for each in several])
    text = GOOD.replace("{inputTokens: 1024, outputTokens: 2.56e2}", f"{{classes: {classes}}}")
    assert faults(text) == []
    short = text.replace("8B-Instruct}", "8B-Instruct, maxModelLen: 639}")
    assert [fault for fault in faults(short) if "maxModelLen: got 639, wants at least" in fault]


@pytest.mark.parametrize(
    ("idle", "said"),
    [
        ("{after: 5s}", "a.yaml:10: spec.idle.after: got '5s', wants 10s to 168h"),
        ("{after: soon}", "a.yaml:10: spec.idle.after: got 'soon', wants a duration such as 50ms, 1.2s, 30m"),
        ("{excludeUntil: 2026-12-24}", "a.yaml:10: spec.idle.excludeUntil: got '2026-12-24', wants a time such as"),
        ("{policy: ScaleToFloor, floor: 0}", "a.yaml:10: spec.idle.floor: got 0, wants a number of at least 1"),
        ("{policy: Report, floor: 2}", "a.yaml:10: spec.idle.floor: got 2, wants policy ScaleToFloor"),
        ("{keepAwake: [{cron: 0 8 * *, duration: 1h}]}", "cron: got '0 8 * *', wants five fields of cron such as"),
        ("{keepAwake: [{cron: 0 25 * * *, duration: 1h}]}", "cron: got '0 25 * * *' (hour), wants five fields of cr"),
        (
            "{keepAwake: [{cron: 0 8 * * *, duration: 1h, timeZone: Europe/Berln}]}",
            "a.yaml:10: spec.idle.keepAwake[0].timeZone: got 'Europe/Berln', wants Europe/Berlin?",
        ),
        (
            "{keepAwake: [{cron: 0 8 * * *, duration: 1h, timeZone: ../etc}]}",
            "a.yaml:10: spec.idle.keepAwake[0].timeZone: got '../etc', wants a time zone such as Europe/Berlin or UTC",
        ),
    ],
)
def test_a_fault_of_idling_is_one_line(idle: str, said: str) -> None:
    (fault,) = faults(f"{GOOD}  idle: {idle}\n")

    assert said in fault
