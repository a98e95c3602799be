"""The performance models offer exactly the candidates that the documents' formulae allow, with the same figures."""

from hypothesis import given

from placewright.core.model import Request
from placewright.core.performance.choose import model_for
from tests.property.strategies import analytic, config_dirs, measured
from tests.support import oracle, reference
from tests.support.first_principles import analytic_settings, fixed_settings, measured_points
from tests.support.frontier import difference, pareto


def offered(request: Request) -> list[tuple[float, float]]:
    return oracle.frontier(request, list(model_for(request).settings(request)))


@given(config_dirs())
def test_config_dir_candidates_are_those_of_the_format(request: Request) -> None:
    assert difference(offered(request), oracle.frontier(request, fixed_settings(request))) == ""


@given(measured())
def test_measured_candidates_are_the_rows_that_serve_the_class(request: Request) -> None:
    assert difference(offered(request), pareto(measured_points(request))) == ""


@given(analytic())
def test_analytic_candidates_are_those_of_the_page(request: Request) -> None:
    predicted = reference.frontier(request, list(model_for(request).settings(request)))
    assert difference(predicted, reference.frontier(request, analytic_settings(request))) == ""
