"""Names and labels stay within Kubernetes' limits, whatever the request is called."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placewright.kube.manifests.names import LONGEST_NAME, label_value, service_name, workload_name
from tests.support.renders import LABEL_VALUE, NAME

REQUESTS = st.from_regex(r"\A[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z").filter(lambda text: ".." not in text)


@settings(max_examples=200, deadline=None)
@given(REQUESTS)
def test_any_request_gives_names_that_kubernetes_takes(request: str) -> None:
    front, workload = service_name(request), workload_name(request, "0123abcd")
    for name in (front, workload):
        assert NAME.fullmatch(name)
        assert len(name) <= LONGEST_NAME
    assert front == service_name(request)
    assert workload.endswith("-0123abcd")


@settings(max_examples=200, deadline=None)
@given(st.lists(REQUESTS, min_size=2, max_size=2, unique=True))
def test_different_requests_have_different_names(requests: list[str]) -> None:
    assert service_name(requests[0]) != service_name(requests[1])


@pytest.mark.parametrize(
    ("request_name", "name"),
    [
        ("chat", "chat"),
        ("llama-70b-chat", "llama-70b-chat"),
        ("a" * 45, "a" * 45),
        ("a" * 46, f"{'a' * 36}-3f3aecb9"),
        ("team.chat", "team-chat-f2b62637"),
        ("7b", "m-7b-709c27c4"),
    ],
)
def test_a_name_that_is_a_short_label_stays_and_others_get_a_hash(request_name: str, name: str) -> None:
    assert service_name(request_name) == name


@given(st.text(max_size=300))
def test_any_model_gives_the_value_of_a_label(model: str) -> None:
    value = label_value(model)
    assert len(value) <= 63
    assert LABEL_VALUE.fullmatch(value)


def test_a_model_is_still_to_be_read_in_its_label() -> None:
    assert label_value("meta-llama/Llama-3.1-8B-Instruct") == "meta-llama-Llama-3.1-8B-Instruct"
