"""The two answers that the solver is held against agree with each other."""

from hypothesis import given

from placewright.core.model import Request
from placewright.core.performance.base import Setting
from tests.property.strategies import tables
from tests.support import oracle, reference
from tests.support.frontier import difference

Tables = tuple[Request, list[Setting]]


@given(tables())
def test_reference_and_brute_force_have_the_same_frontier(instance: Tables) -> None:
    request, settings = instance
    assert difference(reference.frontier(request, settings), oracle.frontier(request, settings)) == ""
