"""Live traffic becomes the demand of a plan: few traffic classes, and calm ones.

`update` is what a control loop calls with every new sample. Pure: values in, values out. docs/demand.md tells it in
full.
"""

from placewright.core.demand.estimating import estimate, in_force, update
from placewright.core.demand.model import DemandRules, DemandSample, Fault, Histogram, Statistic
from placewright.core.demand.rates import LEAST_REQUESTS_PER_SECOND

__all__ = [
    "LEAST_REQUESTS_PER_SECOND",
    "DemandRules",
    "DemandSample",
    "Fault",
    "Histogram",
    "Statistic",
    "estimate",
    "in_force",
    "update",
]
