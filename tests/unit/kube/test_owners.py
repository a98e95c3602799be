from typing import Any

from placewright.kube.owners import autoscaler_of, owners_by_target, replicas_owner, scaled_object_of

Json = dict[str, Any]

CHAT = ("serving", "Deployment", "chat")


def scaler(title: str, namespace: str = "serving", **target: str) -> Json:
    return {"metadata": {"name": title, "namespace": namespace}, "spec": {"scaleTargetRef": target}}


def test_what_scales_a_workload_is_named() -> None:
    autoscaler = autoscaler_of(scaler("busy", kind="Deployment", name="chat"))
    scaled = scaled_object_of(scaler("queue", name="chat"))
    elsewhere = autoscaler_of(scaler("far", namespace="other", kind="Deployment", name="chat"))
    another = autoscaler_of(scaler("set", kind="StatefulSet", name="chat"))
    assert replicas_owner(CHAT, [elsewhere, another, autoscaler], []) == "HorizontalPodAutoscaler busy"
    assert replicas_owner(CHAT, [autoscaler], [scaled]) == "ScaledObject queue"
    assert replicas_owner(CHAT, [elsewhere, another], []) == ""
    assert owners_by_target([autoscaler, another], [scaled]) == {
        CHAT: "ScaledObject queue",
        ("serving", "StatefulSet", "chat"): "HorizontalPodAutoscaler set",
    }


def test_a_scaler_without_a_target_scales_nothing() -> None:
    assert replicas_owner(CHAT, [autoscaler_of({"metadata": {"name": "empty"}})], []) == ""
