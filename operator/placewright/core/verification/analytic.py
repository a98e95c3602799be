"""Interim: written when docs/performance-model.md is there; echoes the layout's own figures."""

from placewright.core.model import Layout, Precision, Request
from placewright.core.verification.figures import Figures


def figures(request: Request, layout: Layout, precision: Precision) -> Figures:
    return Figures(
        tokens_per_second=layout.tokens_per_second,
        ttft_seconds=layout.ttft_seconds,
        tpot_seconds=layout.tpot_seconds,
    )
