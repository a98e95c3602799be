"""What is best: the objective of a request as a number, and the choice among layouts.

Every objective grows with cost per hour and falls with tokens per second, and so do the gates on money and the floor
on throughput. The best layout that meets them therefore stands on the Pareto frontier of (cost per hour, tokens per
second), and choosing there is exact.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from placewright.core.model import Layout, Objective, ObjectiveType

UNITS = {
    ObjectiveType.COST_PER_TOKEN: "$/M tokens",
    ObjectiveType.THROUGHPUT: "tokens/s",
    ObjectiveType.WEIGHTED: "score",
    ObjectiveType.COST: "$/h",
}

_TIE = 1e-12  # relative difference under which two figures of the same formula are equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """An objective with its normalisation resolved. Losses are compared, smaller is better; values are shown.

    Attributes:
        type: what is optimised.
        floor_tokens_per_second: least throughput, for every type.
        cost_factor: weight of one USD per hour in the score of WEIGHTED.
        rate_factor: weight of one token per second in the score of WEIGHTED.
    """

    type: ObjectiveType
    floor_tokens_per_second: float = 0.0
    cost_factor: float = 0.0
    rate_factor: float = 0.0

    @property
    def unit(self) -> str:
        """Unit of `value`."""
        return UNITS[self.type]

    def loss_of(self, cost_per_hour: float, tokens_per_second: float) -> float:
        """Figure to be minimised, for a cost in USD per hour and a rate in tokens per second."""
        match self.type:
            case ObjectiveType.COST_PER_TOKEN:
                return cost_per_hour / (tokens_per_second * 3600.0) * 1e6 if tokens_per_second > 0 else inf
            case ObjectiveType.THROUGHPUT:
                return -tokens_per_second
            case ObjectiveType.COST:
                return cost_per_hour
            case ObjectiveType.WEIGHTED:
                return self.cost_factor * cost_per_hour - self.rate_factor * tokens_per_second

    def loss(self, layout: Layout) -> float:
        """Figure to be minimised, of a layout."""
        return self.loss_of(layout.cost_per_hour, layout.tokens_per_second)

    def value(self, layout: Layout) -> float:
        """The objective of a layout in its `unit`."""
        return self.shown(self.loss(layout))

    def shown(self, loss: float) -> float:
        """A loss in the `unit` of the objective."""
        return -loss if self.type is ObjectiveType.THROUGHPUT else loss

    def meets_floor(self, layout: Layout) -> bool:
        """Whether the layout is as fast as the request wants at least."""
        return layout.tokens_per_second >= self.floor_tokens_per_second * (1.0 - _TIE)

    def budget_to_beat(self, loss: float, tokens_per_second: float) -> float:
        """USD per hour under which a layout at most this fast must stay to have a smaller loss."""
        match self.type:
            case ObjectiveType.COST_PER_TOKEN:
                return loss * tokens_per_second * 3600.0 / 1e6
            case ObjectiveType.THROUGHPUT:
                return inf if -tokens_per_second < loss else 0.0
            case ObjectiveType.COST:
                return loss
            case ObjectiveType.WEIGHTED:
                if self.cost_factor > 0.0:
                    return (loss + self.rate_factor * tokens_per_second) / self.cost_factor
                return inf if -self.rate_factor * tokens_per_second < loss else 0.0

    def loss_bound(self, cost_per_million_tokens: float, tokens_per_second: float) -> float:
        """Smallest loss that bounds on price and rate leave possible.

        A layout of r tokens/s costs at least r times the least price, so every loss is bounded by a linear function of
        r on [floor, largest rate], which is least at an end.
        """
        ends = (max(self.floor_tokens_per_second, 0.0), tokens_per_second)
        if self.type is ObjectiveType.COST_PER_TOKEN:
            return cost_per_million_tokens
        return min(self.loss_of(cost_per_million_tokens * rate * 3600.0 / 1e6, rate) for rate in ends)

    def gap_percent(self, loss: float, bound: float) -> float:
        """How far a loss may still be from the best, given a proved bound, in percent of the larger; never negative."""
        if loss - bound <= _TIE * abs(loss):
            return 0.0
        return (loss - bound) / max(abs(loss), abs(bound)) * 100.0

    def distance_percent(self, loss: float, optimum: float) -> float:
        """How much worse a loss is than the optimum, in percent of the optimum; never negative."""
        if loss - optimum <= _TIE * abs(loss):
            return 0.0
        return (loss - optimum) / max(abs(optimum), _TIE) * 100.0


def goal_of(objective: Objective, *, largest_cost_per_hour: float, largest_tokens_per_second: float) -> Goal:
    """Resolve the normalisation of an objective with the largest values on the frontier where none is given."""
    cost_scale = objective.cost_normalization or largest_cost_per_hour
    rate_scale = objective.throughput_normalization or largest_tokens_per_second
    weighted = objective.type is ObjectiveType.WEIGHTED
    return Goal(
        type=objective.type,
        floor_tokens_per_second=objective.min_tokens_per_second,
        cost_factor=objective.cost_weight / cost_scale if weighted and cost_scale > 0 else 0.0,
        rate_factor=(1.0 - objective.cost_weight) / rate_scale if weighted and rate_scale > 0 else 0.0,
    )


def goal_on(objective: Objective, frontier: Iterable[Layout]) -> Goal:
    """Resolve an objective on a frontier."""
    layouts = tuple(frontier)
    return goal_of(
        objective,
        largest_cost_per_hour=max((layout.cost_per_hour for layout in layouts), default=0.0),
        largest_tokens_per_second=max((layout.tokens_per_second for layout in layouts), default=0.0),
    )


def summary(layout: Layout) -> str:
    """A layout in one line: `bf16, 64 sequences: 2 x (l40s TP4, 40 layers)`; equal layouts have equal lines."""
    runs: list[tuple[str, int]] = []
    for stage in layout.stages:
        text = f"({stage.pool} TP{stage.tensor_parallel}, {stage.layers} {'layer' if stage.layers == 1 else 'layers'})"
        if runs and runs[-1][0] == text:
            runs[-1] = (text, runs[-1][1] + 1)
        else:
            runs.append((text, 1))
    stages = " + ".join(f"{count} x {text}" for text, count in runs)
    plural = "sequence" if layout.max_concurrency == 1 else "sequences"
    return f"{layout.precision}, {layout.max_concurrency} {plural}: {stages}"


def order_key(goal: Goal, layout: Layout) -> tuple[float, float, int, int, str]:
    """Sort key, best first; ties go to the cheaper per hour, then fewer GPUs, fewer stages, then the text."""
    return (
        float(f"{goal.loss(layout):.12e}"),
        float(f"{layout.cost_per_hour:.12e}"),
        layout.gpus,
        len(layout.stages),
        summary(layout),
    )


def best_of(goal: Goal, layouts: Iterable[Layout]) -> Layout | None:
    """The best layout that meets the throughput floor; None when there is none."""
    fast_enough = [layout for layout in layouts if goal.meets_floor(layout)]
    return min(fast_enough, key=lambda layout: order_key(goal, layout), default=None)
