"""Numbers that somebody wrote into an annotation are answered at once."""

import time

import pytest

from placewright.core.fleet.packing import fits
from placewright.core.model import Billing
from tests.support.builders import a_pool


@pytest.mark.parametrize("billing", list(Billing))
@pytest.mark.parametrize("groups", [((1, 10**9),), ((2, 10**6), (3, 1))])
def test_more_than_a_pool_has_is_refused_without_counting_it_out(
    billing: Billing, groups: tuple[tuple[int, int], ...]
) -> None:
    pool = a_pool(nodes=2, billing=billing)
    begin = time.monotonic()
    assert not fits(pool, [groups])
    assert time.monotonic() - begin < 0.05
    assert fits(pool, [((2, 3), (1, 1))])
