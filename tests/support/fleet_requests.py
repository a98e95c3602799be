"""Requests of a fleet with traffic classes, for tests."""

from dataclasses import replace

from placewright.core.model import Precision, Request, Slo, TrafficClass, Workload
from tests.support.builders import EIGHT_BILLION, H100, L40S, a_pool


def a_class(name: str, input_tokens: int, output_tokens: int, slo: Slo | None = None) -> TrafficClass:
    return TrafficClass(
        name=name, input_tokens=input_tokens, output_tokens=output_tokens, requests_per_second=1.0, slo=slo
    )


def a_fleet_request(*classes: TrafficClass, **changes: object) -> Request:
    pools = (a_pool("l", L40S, nodes=2, price_per_gpu_hour=1.0), a_pool("h", H100, nodes=2, price_per_gpu_hour=3.0))
    request = Request(
        name="chat",
        model_name="m",
        architecture=EIGHT_BILLION,
        precisions=(Precision(name="bf16"),),
        workload=Workload(input_tokens=500, output_tokens=200, classes=classes),
        pools=pools,
    )
    return replace(request, **changes)  # type: ignore[arg-type]
