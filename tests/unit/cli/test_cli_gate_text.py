"""How the command line tells each gate."""

import pytest

from placewright.cli.gate_fields import gate_text
from placewright.core.gates import Figure, held


@pytest.mark.parametrize(
    ("name", "limit", "figure", "said"),
    [
        (
            "CostToRevenueRatio",
            0.3,
            Figure(0.24, "revenue per hour by Prometheus", 5.0),
            "cost to revenue 0.24 of at most 0.3: pass, 20 % left",
        ),
        (
            "CostToRevenueRatio",
            0.3,
            Figure(None, "revenue per hour by Prometheus", 720.0, "stale: 12 min old, wants at most 5 min"),
            "cost to revenue unknown (stale: 12 min old, wants at most 5 min), at most 0.3: unknown",
        ),
        (
            "ObservedCostDrift",
            20.0,
            Figure(30.0),
            "observed cost above the predicted 30 % of at most 20 %: fail, 50 % too much",
        ),
    ],
)
def test_a_gate_is_told_with_its_figures(name: str, limit: float, figure: Figure, said: str) -> None:
    assert gate_text(held(name, limit, figure)) == said
