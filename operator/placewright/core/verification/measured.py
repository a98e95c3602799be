"""Measured configurations (planning.md section 2b): a layout is right when one row says exactly what it says."""

from placewright.core.model import Layout, Measured, Measurement, Request
from placewright.core.verification.figures import Figures
from placewright.core.verification.numbers import exceeds, same, text


def figures(request: Request, model: Measured, layout: Layout, *, mixed: bool = False) -> Figures:
    """Find the row that was measured on this very configuration and hand back its figures.

    Of several the one that says what the layout says; of a layout whose figures are of a `mixed` traffic, the fastest
    with no more sequences in flight that meets the targets, and of equally fast ones the quickest.
    """
    result = Figures()
    pools = {stage.pool for stage in layout.stages}
    degrees = {stage.tensor_parallel for stage in layout.stages}
    if len(pools) > 1 or len(degrees) > 1:
        result.violations.append(
            f"a measured configuration has one pool and one TP, this has {sorted(pools)} and TP {sorted(degrees)}"
        )
        return result
    sizes = sorted({stage.layers for stage in layout.stages})
    if sizes[-1] - sizes[0] > 1:
        result.violations.append(f"a measured configuration splits the layers evenly, this has stages of {sizes}")
    rows = [row for row in model.rows if _is_of(request, row, layout, mixed=mixed)]
    if not rows:
        stage = layout.stages[0]
        result.violations.append(
            f"no row was measured on {stage.gpu} TP {stage.tensor_parallel} x PP {len(layout.stages)} in"
            f" {layout.precision} with {layout.max_concurrency} sequences of {request.workload.input_tokens}"
            f" + {request.workload.output_tokens} tokens"
        )
        return result
    if mixed:
        return _of_row(request, max(rows, key=lambda row: _worth(request, row)), result)
    served = layout.tokens_per_second / request.workload.tokens_per_request
    row = next((each for each in rows if _tells(each, layout, served)), rows[0])
    _of_row(request, row, result)
    if len(rows) > 1 and not _tells(row, layout, served):
        rates = ", ".join(text(each.requests_per_second) for each in rows)
        result.violations.append(f"the layout serves {text(served)} requests/s, its rows have {rates}")
    return result


def _of_row(request: Request, row: Measurement, result: Figures) -> Figures:
    result.tokens_per_second = row.requests_per_second * request.workload.tokens_per_request
    result.ttft_seconds = row.ttft_seconds
    result.tpot_seconds = row.tpot_seconds
    return result


def _worth(request: Request, row: Measurement) -> tuple[bool, float, float, float]:
    """The larger the better."""
    return (
        _meets(request, row),
        row.requests_per_second,
        -(row.ttft_seconds or 0.0),
        -(row.tpot_seconds or 0.0),
    )


def _meets(request: Request, row: Measurement) -> bool:
    """Whether the row's latencies are known to meet the targets that there are."""
    return all(
        target is None or (have is not None and not exceeds(have, target))
        for have, target in (
            (row.ttft_seconds, request.slo.ttft_seconds),
            (row.tpot_seconds, request.slo.tpot_seconds),
        )
    )


def _is_of(request: Request, row: Measurement, layout: Layout, *, mixed: bool) -> bool:
    stage, work = layout.stages[0], request.workload
    concurrency = layout.max_concurrency if row.concurrency is None else row.concurrency
    return (
        row.input_tokens == work.input_tokens  # what tells most rows apart comes first: there may be thousands
        and row.output_tokens == work.output_tokens
        and (row.gpu, row.tensor_parallel, row.pipeline_parallel, row.precision)
        == (stage.gpu, stage.tensor_parallel, len(layout.stages), layout.precision)
        and (concurrency == layout.max_concurrency or (mixed and concurrency < layout.max_concurrency))
    )


def _tells(row: Measurement, layout: Layout, served: float) -> bool:
    def agree(got: float | None, want: float | None) -> bool:
        return got == want if got is None or want is None else same(got, want)

    return (
        same(served, row.requests_per_second)
        and agree(layout.ttft_seconds, row.ttft_seconds)
        and agree(layout.tpot_seconds, row.tpot_seconds)
    )
