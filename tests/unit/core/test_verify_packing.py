"""Nodes that tensor-parallel groups need."""

from itertools import combinations_with_replacement

import pytest

from placewright.core.verification.packing import fits, nodes_needed
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
        ([3] * 4000, 8, 2000),
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


@pytest.mark.parametrize("rooms", [(8, 4, 2), (7, 5), (6, 6, 3), (9, 4, 1, 1), (), (0, 5)])
def test_every_small_packing_into_given_rooms_is_that_of_brute_force(rooms: tuple[int, ...]) -> None:
    def places(groups: tuple[int, ...], left: tuple[int, ...]) -> bool:
        return not groups or any(
            places(groups[1:], (*left[:at], room - groups[0], *left[at + 1 :]))
            for at, room in enumerate(left)
            if room >= groups[0]
        )

    for number in range(6):
        for groups in combinations_with_replacement((1, 2, 3, 4, 6), number):
            assert fits(groups, rooms) == places(groups[::-1], rooms), groups


@pytest.mark.parametrize(
    ("groups", "rooms", "held"),
    [
        ([4, 4, 3, 3, 2, 2, 2, 2, 2], (12, 12), True),  # the tightest room for the largest group is not the answer
        ([4, 4, 3, 3, 3, 2, 2, 2, 2], (12, 12), False),
        ([3] * 2000, (7,) * 1000, True),
        ([3] * 2001, (7,) * 1000, False),
    ],
)
def test_rooms_that_hold_groups_or_not(groups: list[int], rooms: tuple[int, ...], held: bool) -> None:  # noqa: FBT001 - a column
    assert fits(groups, rooms) == held
