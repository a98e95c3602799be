"""What is said beside a request wins over its spec.render; what nobody says has a default."""

from typing import Any

import pytest

from placewright.api.render_spec import Render
from placewright.kube.manifests import Choices, Route, Settings, settings_of

OWN: dict[str, Any] = {
    "image": "example.com/own:1",
    "runtime": "sglang",
    "checkpoint": "own/model",
    "checkpoints": [{"precision": "fp8", "name": "own/model-fp8"}],
    "cacheClaim": "own-claim",
    "tokenSecret": {"name": "own-secret"},
    "startWithin": "90m",
    "route": {"gateway": {"name": "own", "namespace": "gateways"}, "hostnames": ["own.example.com"]},
}
NOTHING = Choices()
OVER = Choices(
    image="example.com/over:1",
    runtime="triton",
    models={"": "over/model"},
    cache_claim="over-claim",
    token=("over-secret", "hf"),
    start_seconds=60.0,
    route=Route(gateway="over"),
)


def own(**changes: Any) -> Render:
    return Render.model_validate({**OWN, **changes})


def test_nobody_says_anything() -> None:
    assert settings_of(None, NOTHING) == Settings(image="", runtime="vllm", start_seconds=3600.0)
    assert settings_of(Render(), NOTHING) == settings_of(None, NOTHING)


def test_the_request_says_all() -> None:
    given = settings_of(own(), NOTHING)
    assert given == Settings(
        image="example.com/own:1",
        runtime="sglang",
        models={"": "own/model", "fp8": "own/model-fp8"},
        cache_claim="own-claim",
        token_secret="own-secret",
        start_seconds=5400.0,
        route=Route(gateway="own", gateway_namespace="gateways", hostnames=("own.example.com",)),
    )


def test_what_is_said_beside_it_wins() -> None:
    given = settings_of(own(), OVER)
    assert given == settings_of(None, OVER)
    assert given.models == {"": "over/model"}


def test_a_model_for_one_precision_leaves_the_others_alone() -> None:
    given = settings_of(own(), Choices(models={"int4": "over/model-int4"}))
    assert given.models == {"": "own/model", "fp8": "own/model-fp8", "int4": "over/model-int4"}


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"runtime": None}, "runtime", "vllm"),
        ({"tokenSecret": {"name": "s", "key": "k"}}, "token_key", "k"),
        ({"tokenSecret": None}, "token_secret", ""),
        ({"startWithin": None}, "start_seconds", 3600.0),
        ({"checkpoint": None}, "models", {"fp8": "own/model-fp8"}),
        ({"checkpoints": None}, "models", {"": "own/model"}),
        ({"route": None}, "route", None),
        (
            {"route": {"gateway": {"name": "g"}, "backends": "InferencePools"}},
            "route",
            Route(gateway="g", inference_pools=True),
        ),
    ],
)
def test_each_part(changes: dict[str, Any], field: str, value: object) -> None:
    assert getattr(settings_of(own(**changes), NOTHING), field) == value
