"""What a pool can give: packing on nodes, cost, states."""

import numpy as np
import pytest

from placewright.core.lattice import build_lattice, nodes_needed, pool_cost_per_hour
from placewright.core.model import Billing
from tests.support.builders import a_pool


@pytest.mark.parametrize(
    ("groups", "gpus_per_node", "nodes"),
    [
        ((), 8, 0),
        (((8, 1),), 8, 1),
        (((4, 3),), 8, 2),
        (((4, 2),), 6, 2),  # a group of four leaves two idle GPUs on a node of six
        (((4, 2), (2, 2)), 6, 2),
        (((3, 2), (2, 3)), 6, 2),
        (((3, 2), (2, 3), (1, 1)), 6, 3),
        # Largest first puts 4+3 together and needs three nodes of ten; 4+3+3 twice needs two.
        (((4, 2), (3, 4)), 10, 2),
    ],
)
def test_fewest_nodes(groups: tuple[tuple[int, int], ...], gpus_per_node: int, nodes: int) -> None:
    assert nodes_needed(groups, gpus_per_node) == nodes


def test_whole_nodes_are_paid_for_when_billed_by_node() -> None:
    pool = a_pool(nodes=3, gpus_per_node=8, price_per_gpu_hour=2.0, billing=Billing.PER_NODE)
    assert pool_cost_per_hour(pool, ((4, 1),)) == 16.0
    assert pool_cost_per_hour(pool, ((4, 3),)) == 32.0


def test_single_gpus_are_paid_for_otherwise() -> None:
    assert pool_cost_per_hour(a_pool(price_per_gpu_hour=1.5), ((4, 1), (1, 2))) == 9.0


def test_a_pool_without_a_price_has_no_cost() -> None:
    with pytest.raises(ValueError, match="no price"):
        pool_cost_per_hour(a_pool(price_per_gpu_hour=None), ((1, 1),))


def test_states_stop_at_the_stock() -> None:
    lattice = build_lattice(a_pool(nodes=1, gpus_per_node=8), (1, 2, 4, 8), 8)
    assert lattice.gpus.max() == 8
    assert lattice.stages.max() == 8
    assert (np.diff(lattice.stages) >= 0).all()
    assert lattice.successor[0].min() > 0  # every degree fits on an empty node


def test_a_group_never_crosses_a_node() -> None:
    lattice = build_lattice(a_pool(nodes=2, gpus_per_node=6), (4,), 8)
    assert lattice.gpus.tolist() == [0, 4, 8]


def test_a_group_larger_than_a_node_does_not_exist() -> None:
    lattice = build_lattice(a_pool(nodes=4, gpus_per_node=2), (4, 1), 2)
    assert lattice.gpus.tolist() == [0, 1, 2]
