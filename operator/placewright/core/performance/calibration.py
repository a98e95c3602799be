"""What a fit of the analytic model yields beside its coefficients: how far it is off, on what, and from when."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from placewright.core.performance.terms import Coefficients


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupError:
    """Mean absolute percentage errors of one (model, GPU, backend) group."""

    model: str
    gpu: str
    backend: str
    rows: int
    in_sample_percent: float
    five_fold_percent: float
    left_out_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Mean absolute percentage errors over all rows used, and by group in the order of first appearance.

    `left_out_percent` is the mean over all rows, each predicted without its own group.
    """

    rows: int
    in_sample_percent: float
    five_fold_percent: float
    left_out_percent: float
    groups: tuple[GroupError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """What fit.fit yields.

    Attributes:
        coefficients: the fitted constants.
        tpot: errors in time per output token.
        ttft: errors in time to first token.
        rows: rows given.
        queueing_rows: rows of them that were left out because their TTFT shows a queue.
    """

    coefficients: Coefficients
    tpot: Errors
    ttft: Errors
    rows: int
    queueing_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Committed coefficients with their origin.

    Attributes:
        coefficients: what the analytic model predicts with.
        date: ISO date of the fit.
        source: what was measured, by whom.
        rows: rows of the source.
        queueing_rows: rows of them that were left out because their TTFT shows a queue.
        tpot: errors in time per output token.
        ttft: errors in time to first token.
    """

    coefficients: Coefficients
    date: str
    source: str
    rows: int
    queueing_rows: int
    tpot: Errors
    ttft: Errors


def render_coefficients(result: FitResult, *, date: str, source: str) -> str:
    """The text of coefficients.py for a fit, to be committed; numbers in six significant digits."""
    used = result.coefficients
    lines = [
        '"""Coefficients of the analytic model, as `placewright profile fit --data FILE -o python` prints them."""',
        "",
        "from placewright.core.performance.calibration import Calibration, Errors, GroupError",
        "from placewright.core.performance.terms import Coefficients",
        "",
        "CALIBRATION = Calibration(",
        f"    date={_text(date)},",
        f"    source={_text(source)},",
        f"    rows={result.rows},",
        f"    queueing_rows={result.queueing_rows},",
        "    coefficients=Coefficients(",
        *_mapping("step", used.step),
        *_mapping("step_backend", used.step_backend),
        *_mapping("first_token", used.first_token),
        f"        first_token_request_seconds={_number(used.first_token_request_seconds)},",
        f"        first_token_sequence_seconds={_number(used.first_token_sequence_seconds)},",
        f"        first_token_contention={_number(used.first_token_contention)},",
        *_mapping("first_token_backend", used.first_token_backend),
        "    ),",
        *_errors_text("tpot", result.tpot),
        *_errors_text("ttft", result.ttft),
        ")",
        "FITTED = CALIBRATION.coefficients",
    ]
    return "\n".join(lines) + "\n"


def _mapping(name: str, values: Mapping[str, float]) -> list[str]:
    entries = [f"            {_text(key)}: {_number(value)}," for key, value in values.items()]
    return [f"        {name}={{", *entries, "        },"]


def _errors_text(name: str, errors: Errors) -> list[str]:
    lines = [f"    {name}=Errors(", f"        rows={errors.rows},", *_percentages(errors, 8), "        groups=("]
    for group in errors.groups:
        lines += [
            "            GroupError(",
            f"                model={_text(group.model)},",
            f"                gpu={_text(group.gpu)},",
            f"                backend={_text(group.backend)},",
            f"                rows={group.rows},",
            *_percentages(group, 16),
            "            ),",
        ]
    return [*lines, "        ),", "    ),"]


def _percentages(errors: Errors | GroupError, indent: int) -> list[str]:
    return [
        f"{' ' * indent}{name}={getattr(errors, name):.2f},"
        for name in ("in_sample_percent", "five_fold_percent", "left_out_percent")
    ]


def _number(value: float) -> str:
    return repr(float(f"{value:.6g}"))


def _text(value: str) -> str:
    """A Python string in double quotes, as the formatter writes it."""
    return json.dumps(value, ensure_ascii=False)
