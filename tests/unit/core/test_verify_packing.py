"""Nodes that tensor-parallel groups need."""

from itertools import combinations_with_replacement

import pytest

from placewright.core.verification.packing import nodes_needed
from tests.support.builders import a_pool
from tests.support.oracle import fewest_nodes


@pytest.mark.parametrize(
    ("groups", "room", "nodes"),
    [
        ([], 8, 0),
        ([8, 8], 8, 2),
        ([3, 3, 2], 8, 1),
        ([3, 3, 3], 8, 2),
        ([16], 8, None),
        ([6, 6, 3, 3, 2, 2, 2], 12, 2),
        ([4, 4, 3, 3, 2, 2, 2, 2, 2], 12, 2),  # largest first fills 4+4+3 and 3+2+2+2+2, and leaves a 2 over
        ([1] * 500, 8, 63),
    ],
)
def test_nodes_of_known_groups(groups: list[int], room: int, nodes: int | None) -> None:
    assert nodes_needed(groups, room) == nodes


@pytest.mark.parametrize("room", [6, 7, 9, 10])
def test_every_small_packing_is_that_of_brute_force(room: int) -> None:
    pool = a_pool(nodes=6, gpus_per_node=room)
    for number in range(1, 7):
        for groups in combinations_with_replacement((1, 2, 3, 4, 6), number):
            assert nodes_needed(groups, room) == fewest_nodes(list(groups), pool), groups
