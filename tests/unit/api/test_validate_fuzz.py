"""Whatever stands in a file, validation ends with faults and never with a traceback."""

import json
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from placewright.api.validate import Validation, validate
from tests.support.kind_bodies import full_resources

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


BODIES = [body for bodies in full_resources().values() for body in bodies]
CHANGES = [(body, place) for body in BODIES for place in places(body)]

# cel-python raises the recursion limit on its first use, and hypothesis wants that limit left alone during a test.
for _body in BODIES:
    validate(json.dumps(_body), file="f.yaml")


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


@given(st.sampled_from(CHANGES), st.lists(st.tuples(st.integers(0, 10**6), JSON), max_size=2), JSON)
@settings(max_examples=600, deadline=None)
def test_any_value_anywhere_in_an_object(
    first: tuple[Any, tuple[int | str, ...]], more: list[tuple[int, Any]], value: Any
) -> None:
    original, place = first
    own = places(original)
    body: Any = deepcopy(original)
    for at, new in [(place, value), *((own[index % len(own)], other) for index, other in more)]:
        target = body
        try:
            for part in at[:-1]:
                target = target[part]
            target[at[-1]] = deepcopy(new)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away

    assert in_order(validate(json.dumps(body), file="f.yaml"))
