"""Weights as whole numbers, routes and their backends."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placewright.kube.manifests import Route, render
from placewright.kube.manifests.traffic import whole_weights
from tests.support.renders import SETTINGS, a_layout, a_site, a_work, check_objects

TWO = a_work(
    a_layout(weight=0.7, replicas=2), a_layout(degree=4, weight=0.3), sites=[a_site(gpus_per_node=8, rooms=(8,))]
)


@pytest.mark.parametrize(
    ("weights", "parts"),
    [
        ([1.0], [10_000]),
        ([0.7, 0.3], [7000, 3000]),
        ([1 / 3, 1 / 3, 1 / 3], [3334, 3333, 3333]),
        ([0.5, 0.49996, 0.00004], [5000, 4999, 1]),
        ([0.99999, 0.00001], [9999, 1]),
        ([1.0, 0.0], [10_000, 0]),
        ([2.0, 6.0], [2500, 7500]),
    ],
)
def test_weights(weights: list[float], parts: list[int]) -> None:
    assert whole_weights(weights) == parts


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=16))
def test_weights_add_up_and_nobody_is_forgotten(weights: list[float]) -> None:
    parts = whole_weights(weights)
    assert sum(parts) == 10_000
    assert all(part >= 1 for part in parts)
    exact = [weight / sum(weights) * 10_000 for weight in weights]
    assert all(abs(part - share) <= 16 for part, share in zip(parts, exact, strict=True))


def test_a_route_shares_by_weight_over_services() -> None:
    route = Route(gateway="public", gateway_namespace="gateways", hostnames=("chat.example.com",))
    objects = render(TWO, replace(SETTINGS, route=route))
    check_objects(TWO, objects, verbatim=True)
    assert [each["kind"] for each in objects] == ["Deployment", "Deployment", "Service", "Service", "HTTPRoute"]
    spec = objects[-1]["spec"]
    assert spec["parentRefs"] == [{"name": "public", "namespace": "gateways"}]
    assert spec["hostnames"] == ["chat.example.com"]
    names = [each["metadata"]["name"] for each in objects[:2]]
    assert spec["rules"] == [
        {
            "backendRefs": [
                {"kind": "Service", "name": f"{names[0]}-http", "port": 8000, "weight": 7000},
                {"kind": "Service", "name": f"{names[1]}-http", "port": 8000, "weight": 3000},
            ]
        }
    ]


def test_no_service_has_the_name_that_a_leader_worker_set_takes() -> None:
    work = a_work(a_layout((16, 16)), sites=[a_site(gpus_per_node=2, rooms=(2, 2))])
    for route in (None, Route(gateway="public")):
        group, *others = render(work, replace(SETTINGS, route=route))
        assert group["kind"] == "LeaderWorkerSet"
        services = [each["metadata"]["name"] for each in others if each["kind"] == "Service"]
        assert services
        assert group["metadata"]["name"] not in services


def test_a_route_over_inference_pools() -> None:
    settings = replace(SETTINGS, runtime="sglang", route=Route(gateway="public", inference_pools=True))
    objects = render(TWO, settings)
    check_objects(TWO, objects, verbatim=False)
    pools = [each for each in objects if each["kind"] == "InferencePool"]
    names = [each["metadata"]["name"] for each in pools]
    assert [each["spec"]["targetPorts"] for each in pools] == [[{"number": 30000}]] * 2
    assert [each["spec"]["endpointPickerRef"]["name"] for each in pools] == [f"{name}-epp" for name in names]
    references = objects[-1]["spec"]["rules"][0]["backendRefs"]
    assert [(each["group"], each["kind"], each["name"]) for each in references] == [
        ("inference.networking.k8s.io", "InferencePool", name) for name in names
    ]
    assert "hostnames" not in objects[-1]["spec"]
    assert objects[-1]["spec"]["parentRefs"] == [{"name": "public"}]


def test_without_a_route_one_service_has_the_requests_name() -> None:
    objects = render(a_work(), SETTINGS)
    assert [(each["kind"], each["metadata"]["name"]) for each in objects[1:]] == [("Service", "chat")]
    assert objects[1]["spec"]["ports"] == [{"name": "http", "port": 8000, "targetPort": "http", "protocol": "TCP"}]
