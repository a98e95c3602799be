"""Which performance model answers for a request."""

from placewright.core.model import Analytic, FixedEfficiency, Measured, Request
from placewright.core.performance.analytic import AnalyticModel
from placewright.core.performance.base import PerformanceModel
from placewright.core.performance.fixed import FixedEfficiencyModel
from placewright.core.performance.measured import MeasuredModel


def model_for(request: Request) -> PerformanceModel:
    """Return the model that `request.performance` names."""
    match request.performance:
        case Analytic():
            return AnalyticModel()
        case Measured():
            return MeasuredModel()
        case FixedEfficiency():
            return FixedEfficiencyModel()
