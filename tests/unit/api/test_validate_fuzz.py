"""Whatever stands in a file, validation ends with faults and never with a traceback."""

import json
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from placewright.api.validate import Validation, validate
from tests.support.resources import full_request

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["1s", "0s", "fp8", "L40S", "placewright.dev/v1alpha1", "PlacementRequest", "9" * 400]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def places(value: Any, at: tuple[int | str, ...] = ()) -> list[tuple[int | str, ...]]:
    found = [at] if at else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        found += places(item, (*at, key))
    return found


PLACES = places(full_request())

# cel-python raises the recursion limit on its first use, and hypothesis wants that limit left alone during a test.
validate(json.dumps(full_request()), file="f.yaml")


def in_order(found: Validation) -> bool:
    lines = [str(fault) for fault in found.faults]
    return all(line.startswith("f.yaml") and "\n" not in line for line in lines)


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_text(text: str) -> None:
    found = validate(text, file="f.yaml")

    assert found.faults or found.requests
    assert in_order(found)


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_any_document(value: Any) -> None:
    found = validate(json.dumps(value), file="f.yaml")

    assert found.faults
    assert in_order(found)


@given(st.lists(st.tuples(st.sampled_from(PLACES), JSON), min_size=1, max_size=3))
@settings(max_examples=400, deadline=None)
def test_any_value_anywhere_in_a_request(changes: list[tuple[tuple[int | str, ...], Any]]) -> None:
    body: Any = deepcopy(full_request())
    for place, value in changes:
        target = body
        try:
            for part in place[:-1]:
                target = target[part]
            target[place[-1]] = deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away

    assert in_order(validate(json.dumps(body), file="f.yaml"))
