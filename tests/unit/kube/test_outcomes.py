import pytest

from placewright.kube.client import ApiError
from placewright.kube.outcomes import ActResult, stopped


def answer(status: int, reason: str = "", message: str = "") -> ApiError:
    return ApiError("PATCH /x", status=status, reason=reason, message=message, retry_after_seconds=None)


@pytest.mark.parametrize(
    ("error", "result", "message"),
    [
        (answer(409, "Conflict", "changed"), ActResult.CONFLICT, "Deployment x: changed"),
        (
            answer(404, "NotFound", 'namespaces "y" not found'),
            ActResult.CONFLICT,
            'Deployment x: namespaces "y" not found',
        ),
        (answer(403, "Forbidden", "exceeded\nquota"), ActResult.DENIED, "Deployment x: exceeded quota"),
        (answer(422, "Invalid", "spec: no"), ActResult.DENIED, "Deployment x: spec: no"),
        (answer(400, "", ""), ActResult.DENIED, "Deployment x: 400"),
        (
            answer(500, "InternalError", 'failed calling webhook "w": refused'),
            ActResult.DENIED,
            'Deployment x: failed calling webhook "w": refused',
        ),
        (
            answer(404),
            ActResult.NOT_SERVED,
            "the API server does not serve Deployment: install what serves Deployment",
        ),
    ],
)
def test_a_word_on_what_was_asked_ends_a_step(error: ApiError, result: ActResult, message: str) -> None:
    stop = stopped(error, "Deployment", "Deployment x")
    assert stop is not None
    assert (stop.result, stop.message) == (result, message)


def test_what_is_to_be_installed_is_named() -> None:
    for kind, wanted in (
        ("HTTPRoute", "Gateway API"),
        ("InferencePool", "Inference Extension"),
        ("LeaderWorkerSet", "LeaderWorkerSet"),
    ):
        stop = stopped(answer(404), kind, kind)
        assert stop is not None
        assert wanted in stop.message
        assert "install" in stop.message


@pytest.mark.parametrize(
    "error", [answer(401, "Unauthorized"), answer(429), answer(500, "InternalError", "etcd"), answer(503)]
)
def test_no_word_on_it_is_to_be_tried_again(error: ApiError) -> None:
    assert stopped(error, "Deployment", "Deployment x") is None
