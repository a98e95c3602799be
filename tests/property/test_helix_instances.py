"""Two published placement instances: the chain solver reaches the exact best single pipeline and never more than all
the compute there is.

Each node type becomes a pool of single GPUs with a table of step times from its profile, which does not rise evenly
with the layers held. All prices are one, so that the fastest layout is what counts.
"""

import json
import os
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
import pytest

from placewright.core.layouts import fastest_within, search
from placewright.core.model import Layout, Request
from placewright.core.performance.base import Setting
from tests.support.builders import a_pool, a_request, a_setting

FILE = Path(__file__).parents[3] / "shared" / "data" / "helix_instances.json"
NAMES = ("q10", "s24")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    request: Request
    setting: Setting
    best_rate: float
    most_rate: float
    published_rate: float
    counts: tuple[int, ...]


def instance(name: str) -> Instance:
    if not FILE.exists():
        message = f"HELIX INSTANCES SKIPPED: {FILE.name} is not beside the checkout in shared/data"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    (data,) = (entry for entry in json.loads(FILE.read_text())["instances"] if entry["id"] == name)
    types = data["node_types"]
    pools = [
        a_pool(f"type{place}", nodes=kind["count"], gpus_per_node=1, price_per_gpu_hour=1.0)
        for place, kind in enumerate(types)
    ]
    steps = {
        (place, 1): [
            1.0 / rate if (rate := kind["tokens_per_s_by_layers_held"].get(str(held))) else inf
            for held in range(1, data["layers"] + 1)
        ]
        for place, kind in enumerate(types)
    }
    # every link is as slow as the slowest: still far above what any node computes
    hop = 1.0 / data["link_capacity_tokens_per_s"]["min"]
    hops = np.full((len(pools), len(pools)), hop)
    nodes = sum(kind["count"] for kind in types)
    setting = a_setting(pools, steps, hops=hops.tolist(), max_stages=nodes, tokens_per_step=1.0)
    return Instance(
        request=a_request(pools),
        setting=setting,
        best_rate=data["best_single_pipeline_ignoring_links"]["tokens_per_s"],
        most_rate=data["compute_upper_bound"],
        published_rate=data["helix_objective_tokens_per_s"],
        counts=tuple(kind["count"] for kind in types),
    )


def never() -> bool:
    return False


def assert_possible(case: Instance, layout: Layout) -> None:
    """The layers are covered by nodes that exist, and the rate is that of the slowest."""
    held = [(int(stage.pool.removeprefix("type")), stage.layers) for stage in layout.stages]
    assert sum(layers for _, layers in held) == case.setting.step_seconds.shape[1] - 1
    for place, count in enumerate(case.counts):
        assert sum(1 for pool, _ in held if pool == place) <= count
    slowest = max(float(case.setting.step_seconds[pool, layers]) for pool, layers in held)
    assert layout.tokens_per_second == pytest.approx(1.0 / slowest, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_fastest_single_pipeline_is_the_exact_best_one(name: str) -> None:
    case = instance(name)
    layout = fastest_within(case.request, [case.setting], budget_per_hour=1e9, out_of_time=never)
    assert layout is not None
    assert_possible(case, layout)
    assert layout.tokens_per_second >= case.best_rate * (1 - 1e-9)
    assert layout.tokens_per_second <= case.most_rate * (1 + 1e-9)
    assert layout.tokens_per_second >= case.published_rate * (1 - 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_frontier_ends_at_the_best_pipeline_and_stays_under_all_compute(name: str) -> None:
    case = instance(name)
    found = search(case.request, [case.setting], out_of_time=never)
    assert found.complete
    assert found.frontier[-1].tokens_per_second >= case.best_rate * (1 - 1e-9)
    assert found.bound_tokens_per_second is not None
    assert found.bound_tokens_per_second <= case.most_rate * (1 + 1e-9)
    for layout in found.frontier:
        assert_possible(case, layout)
