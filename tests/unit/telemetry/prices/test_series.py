from datetime import UTC, datetime
from math import inf, isnan, nan

import pytest

from placewright.api.price_rows import PriceKey, PriceRow
from placewright.telemetry.prices.errors import PriceSourceError
from placewright.telemetry.prices.series import rows_of_series

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def series(value: float, **labels: str) -> tuple[dict[str, str], tuple[float, float]]:
    return labels, (NOON.timestamp(), value)


def test_labels_say_what_a_price_is_of() -> None:
    found = rows_of_series(
        [
            series(1.2, gpu="NVIDIA-L40S", job="x"),
            series(0.5, gpu="L40S", capacity_type="spot", zone="a", instance_type="g6e.12xlarge", __name__="price"),
            series(3.0, instance_type="p5.48xlarge", capacity_type=""),
        ]
    )
    assert found == (
        PriceRow(key=PriceKey(gpu="H100", instance_type="p5.48xlarge"), per_gpu_hour=3.0, as_of=NOON),
        PriceRow(key=PriceKey(gpu="L40S"), per_gpu_hour=1.2, as_of=NOON),
        PriceRow(
            key=PriceKey(gpu="L40S", capacity_type="Spot", zone="a", instance_type="g6e.12xlarge"),
            per_gpu_hour=0.5,
            as_of=NOON,
        ),
    )


@pytest.mark.parametrize(("values", "price"), [((1.0, 3.0, 2.0), 3.0), ((1.0, inf, 2.0), inf), ((-1.0, 0.0), 0.0)])
def test_of_several_series_the_dearest_counts(values: tuple[float, ...], price: float) -> None:
    (row,) = rows_of_series([series(value, gpu="L40S", node=str(at)) for at, value in enumerate(values)])
    assert row.per_gpu_hour == price


@pytest.mark.parametrize("values", [(1.0, nan, 2.0), (nan, 1.0), (1.0, nan)])
def test_one_series_that_is_no_number_is_seen(values: tuple[float, ...]) -> None:
    (row,) = rows_of_series([series(value, gpu="L40S", node=str(at)) for at, value in enumerate(values)])
    assert isnan(row.per_gpu_hour)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"node": "n1"}, "prometheus.query: series {node=n1}: gpu: got nothing, wants a key of the GPU catalog"),
        (
            {"instance_type": "m7i.large"},
            "prometheus.query: series {instance_type=m7i.large}: gpu: got nothing, wants a key",
        ),
        (
            {"gpu": "L40S", "capacity_type": "rented"},
            "prometheus.query: series {capacity_type=rented, gpu=L40S}: capacityType: got 'rented', wants one of",
        ),
    ],
)
def test_a_series_that_is_no_price_is_one_line(labels: dict[str, str], told: str) -> None:
    with pytest.raises(PriceSourceError) as caught:
        rows_of_series([series(1.0, gpu="H100"), series(1.0, **labels)])
    assert str(caught.value).startswith(told)


def test_no_series_is_no_price() -> None:
    with pytest.raises(PriceSourceError, match="got no series, wants one at least"):
        rows_of_series([])
