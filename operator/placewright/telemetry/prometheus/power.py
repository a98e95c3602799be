"""What GPUs drew above a limit that they could be given: measured, for a suggestion alone."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import isfinite
from typing import Final

from placewright.core.model import IdleRules, PowerUse
from placewright.telemetry.prometheus.book import UNASKED, Entry, Query
from placewright.telemetry.prometheus.presets import GPU_POWER, GPU_POWER_LIMIT, span
from placewright.telemetry.prometheus.promql import quote, selector
from placewright.telemetry.prometheus.wants import PART

LIMIT_SHARE: Final = 0.7
"""The limit that is suggested, as a share of the one in force."""


class _Part(StrEnum):
    GPUS = "gpus"
    LIMIT = "limit"
    ABOVE = "above"


def power_query(namespace: str, present: str, idle: IdleRules) -> Query:
    """Return the question for the GPUs of a model's Pods.

    Args:
        namespace: of the Pods.
        present: an expression with a series for each Pod of the model, with the label pod.
        idle: whose window counts.
    """
    limits = _of_pods([f"{LIMIT_SHARE:g} * {limit}" for _, limit in _pairs(namespace)], present)
    above = _of_pods(
        [f"clamp_min({power} - {LIMIT_SHARE:g} * {limit}, 0)" for power, limit in _pairs(namespace)], present
    )
    over = f"[{span(idle.after_seconds)}:{span(idle.step_seconds)}]"
    parts = {
        _Part.GPUS: f"count({above})",
        _Part.LIMIT: f"min({limits})",
        _Part.ABOVE: f"sum(avg_over_time(({above}){over}))",
    }
    return Query(
        expr=" or ".join(f'label_replace({expr}, "{PART}", {quote(part)}, "", "")' for part, expr in parts.items())
    )


def power_of(query: Query, entries: Mapping[Query, Entry]) -> PowerUse | None:
    """Return what was measured; None: nothing, or not in this cycle."""
    entry = entries.get(query, UNASKED)
    if entry.answer is None or entry.fault is not None:
        return None
    told = {series.labels.get(PART): series.points[-1][1] for series in entry.answer.series if series.points}
    figures = [told.get(part) for part in _Part]
    gpus, limit, above = figures
    if gpus is None or limit is None or above is None or not all(isfinite(each) for each in (gpus, limit, above)):
        return None
    return PowerUse(gpus=round(gpus), limit_watts=limit, watts_above=above)


def _pairs(namespace: str) -> list[tuple[str, str]]:
    """Power and limit, by the labels of DCGM's exporter as they are, and as Prometheus renames them."""
    whose = ([("namespace", namespace), ("exported_namespace", "")], [("exported_namespace", namespace)])
    return [(selector(GPU_POWER, labels), selector(GPU_POWER_LIMIT, labels)) for labels in whose]


def _of_pods(found: Sequence[str], present: str) -> str:
    own, renamed = found
    moved = f'label_replace({renamed}, "pod", "$1", "exported_pod", "(.*)")'
    return f"(({own} or {moved}) and on (pod) ({present}))"
