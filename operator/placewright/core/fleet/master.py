"""The linear master program over columns: which share of which column each ask takes. GLOP through MathOpt."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from ortools.math_opt.python import mathopt

from placewright.core.fleet.level import Level
from placewright.core.performance.base import FloatArray

_PARAMETERS = mathopt.SolveParameters(threads=1, random_seed=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Master:
    """A solved master.

    Attributes:
        objective: of the shares.
        prices: (R,) of the rows, not negative.
        shares: (column, share) with share > 0.
        excess: units used beyond what the rows have, in all.
    """

    objective: float
    prices: FloatArray
    shares: tuple[tuple[int, float], ...]
    excess: float


class MasterProgram:
    """Grows by columns and is solved again from where it was.

    Args:
        level: gives columns.
        asks: that are in the program; each has its refusal and present plan from the start.
        capacity: of the rows, less what others have taken.
        excess: price of using more than a row has, one for each row; a row is never missing then.
    """

    def __init__(self, level: Level, asks: Iterable[int], capacity: FloatArray, excess: FloatArray) -> None:
        self._level = level
        self._model = mathopt.Model()
        self._rows = [self._model.add_linear_constraint(ub=float(most)) for most in capacity]
        self._one = {ask: self._model.add_linear_constraint(lb=1.0, ub=1.0) for ask in asks}
        self._columns: dict[int, mathopt.Variable] = {}
        self._over: list[mathopt.Variable] = []
        for row, price in zip(self._rows, excess, strict=True):
            over = self._model.add_variable(lb=0.0)
            self._over.append(over)
            row.set_coefficient(over, -1.0)
            self._model.objective.set_linear_coefficient(over, float(price))
        self._solver = mathopt.IncrementalSolver(self._model, mathopt.SolverType.GLOP)

    def add(self, columns: Iterable[int]) -> int:
        """Put columns in; how many were new."""
        new = 0
        for index in columns:
            column = self._level.columns[index]
            if index in self._columns or column.ask not in self._one:
                continue
            new += 1
            share = self._columns[index] = self._model.add_variable(lb=0.0)
            self._one[column.ask].set_coefficient(share, 1.0)
            for row, amount in column.uses:
                self._rows[row].set_coefficient(share, amount)
            self._model.objective.set_linear_coefficient(share, self._level.objective_of(column))
        return new

    def solve(self) -> Master | None:
        """The optimum; None when the solver found none (it says so only for numerical reasons)."""
        # What is not asked for is not turned into Python objects, which takes longer than the solve itself.
        wanted = mathopt.ModelSolveParameters(
            variable_values_filter=mathopt.VariableFilter(skip_zero_values=True),
            dual_values_filter=mathopt.LinearConstraintFilter(filtered_items=self._rows),
            reduced_costs_filter=mathopt.VariableFilter(filtered_items=[]),
        )
        result = self._solver.solve(params=_PARAMETERS, model_params=wanted)
        if not result.has_primal_feasible_solution() or not result.has_dual_feasible_solution():
            return None
        duals = np.array(result.dual_values(self._rows), dtype=np.float64)
        shares = result.variable_values()
        return Master(
            objective=result.objective_value(),
            prices=np.maximum(-duals, 0.0),
            shares=tuple(
                (index, shares[variable])
                for index, variable in self._columns.items()
                if variable in shares and shares[variable] > 1e-9
            ),
            excess=sum(shares.get(over, 0.0) for over in self._over),
        )
