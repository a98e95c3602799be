"""The fit: the committed coefficients come from it, it is as good as promised, and it finds what it should."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from placewright.catalog.gpus import gpu
from placewright.catalog.models import model
from placewright.catalog.silicon import read_silicon
from placewright.core.errors import InvalidRequestError
from placewright.core.performance.analytic import AnalyticModel
from placewright.core.performance.calibration import Calibration, Errors, FitResult, GroupError, render_coefficients
from placewright.core.performance.coefficients import CALIBRATION, FITTED
from placewright.core.performance.fit import (
    FIRST_TOKEN_BOUNDS,
    QUEUEING_TTFT_SECONDS,
    STEP_BOUNDS,
    FitError,
    SiliconRow,
    fit,
)
from placewright.core.performance.terms import Coefficients
from tests.support.analytic import LLAMA_8B, LLAMA_70B, analytic_request, pool_of, silicon_path

ROOT = Path(__file__).parents[3]


@cache
def refitted(path: Path) -> FitResult:
    return fit(read_silicon(path))


def numbers(coefficients: Coefficients) -> dict[str, float]:
    return {
        **coefficients.step,
        **{f"backend {name}": value for name, value in coefficients.step_backend.items()},
        **{f"first {name}": value for name, value in coefficients.first_token.items()},
        "first request": coefficients.first_token_request_seconds,
        "first sequence": coefficients.first_token_sequence_seconds,
        "first contention": coefficients.first_token_contention,
        **{f"first backend {name}": value for name, value in coefficients.first_token_backend.items()},
    }


# ------------------------------------------------------------------------------------------ on the measured rows


def test_the_committed_coefficients_are_what_the_fit_yields() -> None:
    result = refitted(silicon_path())
    assert numbers(result.coefficients) == pytest.approx(numbers(FITTED), rel=1e-3)
    assert (result.rows, result.queueing_rows) == (CALIBRATION.rows, CALIBRATION.queueing_rows) == (456, 21)


def test_the_committed_errors_are_what_the_fit_yields() -> None:
    result = refitted(silicon_path())
    for fresh, committed in ((result.tpot, CALIBRATION.tpot), (result.ttft, CALIBRATION.ttft)):
        assert fresh.rows == committed.rows == result.rows - result.queueing_rows
        for ours, theirs in zip((fresh, *fresh.groups), (committed, *committed.groups), strict=True):
            for name in ("in_sample_percent", "five_fold_percent", "left_out_percent"):
                assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=0.05)


def test_tpot_is_as_good_as_promised() -> None:
    tpot = refitted(silicon_path()).tpot
    assert tpot.five_fold_percent <= 8.0
    assert len(tpot.groups) == 5
    assert all(group.five_fold_percent <= 8.0 and group.left_out_percent <= 13.0 for group in tpot.groups)


def test_rows_given_in_another_order_yield_the_same() -> None:
    rows = read_silicon(silicon_path())
    turned = fit(rows[::-1])
    assert numbers(turned.coefficients) == pytest.approx(numbers(refitted(silicon_path()).coefficients), rel=1e-3)
    assert turned.tpot.five_fold_percent == pytest.approx(refitted(silicon_path()).tpot.five_fold_percent, abs=0.02)


def test_the_rendered_module_is_the_committed_one() -> None:
    text = render_coefficients(refitted(silicon_path()), date=CALIBRATION.date, source=CALIBRATION.source)
    scope: dict[str, Calibration] = {}
    exec(compile(text, "coefficients.py", "exec"), scope)
    assert numbers(scope["CALIBRATION"].coefficients) == pytest.approx(numbers(FITTED), rel=1e-3)
    committed = ROOT / "operator" / "placewright" / "core" / "performance" / "coefficients.py"
    assert without_numbers(text) == without_numbers(committed.read_text(encoding="utf-8"))


def without_numbers(text: str) -> str:
    """Another machine's arithmetic may differ in the sixth digit."""
    return re.sub(r"(?<=[ =])\d[\d.e-]*", "#", text)


# ------------------------------------------------------------------------------------------ without them


def test_the_page_shows_the_committed_coefficients_and_errors() -> None:
    page = (ROOT / "docs" / "performance-model.md").read_text(encoding="utf-8")
    first = {**FITTED.first_token, "contention": FITTED.first_token_contention}
    first |= {"request_seconds": FITTED.first_token_request_seconds}
    first |= {"sequence_seconds": FITTED.first_token_sequence_seconds}
    for letter, values, bounds in (("c", FITTED.step, STEP_BOUNDS), ("f", first, FIRST_TOKEN_BOUNDS)):
        for name, value in values.items():
            low, high = bounds[name]
            line = next(line for line in page.splitlines() if line.startswith(f"| `{letter}.{name}` |"))
            assert f"| {value} | {low:g} .. {high:g} |" in line
    shown = [line.split() for line in page.splitlines()]
    for errors in (CALIBRATION.tpot, CALIBRATION.ttft):
        for words in error_lines(errors):
            assert words in shown
    assert f"{CALIBRATION.rows} rows, {CALIBRATION.queueing_rows} of them" in page
    assert CALIBRATION.date in page
    assert CALIBRATION.source in page


def error_lines(errors: Errors) -> list[list[str]]:
    """As `placewright profile fit` prints them, in words."""
    rows: list[tuple[str, Errors | GroupError]] = [
        (f"{group.model} {group.gpu} {group.backend}", group) for group in errors.groups
    ]
    return [
        f"{name} {entry.rows} {entry.in_sample_percent:.2f} {entry.five_fold_percent:.2f}"
        f" {entry.left_out_percent:.2f}".split()
        for name, entry in [*rows, ("all", errors)]
    ]


def test_coefficients_stay_inside_their_physical_bounds() -> None:
    for name, value in FITTED.step.items():
        low, high = STEP_BOUNDS[name]
        assert low <= value <= high
    for name, value in FITTED.first_token.items():
        low, high = FIRST_TOKEN_BOUNDS[name]
        assert low <= value <= high


def predicted_rows(truth: Coefficients) -> list[SiliconRow]:
    """Rows that follow the model exactly, taken from the Settings that plans are made of."""
    rows = []
    for name, key in ((LLAMA_8B, "H100"), (LLAMA_70B, "H200"), ("Qwen/Qwen3-32B", "L40S")):
        for prompt, output in ((512, 256), (4096, 128), (2048, 1024)):
            for batch in (1, 16, 64):
                request = analytic_request(
                    pool_of(key), model_name=name, input_tokens=prompt, output_tokens=output, concurrency=batch
                )
                for setting in AnalyticModel(truth).settings(request):
                    for kind, tp in enumerate(setting.kind_tensor_parallel):
                        if setting.stages == 1 and np.isfinite(setting.step_seconds[kind, -1]):
                            rows.append(
                                SiliconRow(
                                    model=name,
                                    architecture=model(name),
                                    gpu=gpu(key),
                                    backend="vllm",
                                    precision="bf16",
                                    input_tokens=prompt,
                                    output_tokens=output,
                                    concurrency=batch,
                                    tensor_parallel=int(tp),
                                    ttft_seconds=float(setting.first_token_seconds[kind, -1]),
                                    tpot_seconds=float(setting.step_seconds[kind, -1]),
                                )
                            )
    return rows


def test_rows_that_follow_the_form_are_predicted_exactly_also_when_left_out() -> None:
    truth = replace(
        FITTED,
        step={**FITTED.step, "weight_read": 1.2, "kv_read": 1.4, "layer_seconds": 8e-5, "decode_all_reduce": 2.0},
        first_token={"prefill_arithmetic": 1.8, "prefill_attention": 2.0, "prefill_all_reduce": 1.5},
    )
    rows = predicted_rows(truth)
    result = fit(rows)
    assert result.queueing_rows == sum(row.ttft_seconds > QUEUEING_TTFT_SECONDS for row in rows)
    for errors in (result.tpot, result.ttft):
        assert errors.five_fold_percent < 0.1
        assert errors.left_out_percent < 1.0
    assert result.coefficients.step["weight_read"] == pytest.approx(1.2, rel=0.02)
    assert result.coefficients.step["kv_read"] == pytest.approx(1.4, rel=0.02)
    assert result.coefficients.first_token["prefill_arithmetic"] == pytest.approx(1.8, rel=0.02)


def test_too_few_rows_or_groups_are_refused_in_one_line() -> None:
    rows = predicted_rows(FITTED)
    with pytest.raises(FitError, match=r"^3 rows without queueing are too few: the fit wants at least 17 different"):
        fit(rows[:3])
    with pytest.raises(FitError, match="in two groups"):
        fit([row for row in rows if row.gpu.name == "H100"])


# ------------------------------------------------------------------------------------------ the reader

HEADER = "model,system,backend,version,precision,isl,osl,batch,tp,pp,attn_dp,moe_ep,ttft_ms,tpot_ms"
GOOD = "meta-llama/Llama-3.1-70B,h100_sxm,vllm,,fp8,1024,128,8,2,1,1,1,190.955,17.5"


def test_a_row_is_read_with_the_catalogs_facts(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"{HEADER}\n{GOOD}\n{GOOD.replace('fp8', '')}\n", encoding="utf-8")
    row, native = read_silicon(path)
    assert (row.model, row.gpu.name, row.backend, row.precision) == (LLAMA_70B, "H100", "vllm", "fp8")
    assert (row.input_tokens, row.output_tokens, row.concurrency, row.tensor_parallel) == (1024, 128, 8, 2)
    assert (row.ttft_seconds, row.tpot_seconds) == pytest.approx((0.190955, 0.0175))
    assert native.precision == "bf16"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("h100_sxm", "h1oo", "line 3: system: got 'h1oo', wants a GPU of the catalog"),
        ("Llama-3.1-70B", "Lama-3.1-70B", "line 3: model: got 'meta-llama/Lama-3.1-70B', wants a model"),
        ("fp8", "fp7", "line 3: precision: got 'fp7', wants empty or one of bf16"),
        ("h100_sxm,vllm,,fp8", "v100,vllm,,bf16", "line 3: precision: got 'bf16', wants one that V100 runs"),
        (",vllm,", ",,", "line 3: backend: got '', wants the serving engine"),
        (",1024,", ",many,", "line 3: isl: got 'many', wants a whole number of at least 1"),
        (",8,2,1,", ",0,2,1,", "line 3: batch: got '0', wants a whole number of at least 1"),
        (",8,2,1,", ",8,2,4,", "line 3: pp: got '4', wants 1"),
        ("190.955", "nan", "line 3: ttft_ms: got 'nan', wants milliseconds above 0"),
        (",17.5", "", "line 3: tpot_ms: got '', wants milliseconds above 0"),
    ],
)
def test_a_bad_cell_is_named_with_file_line_and_column(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"{HEADER}\n{GOOD}\n{GOOD.replace(old, new)}\n", encoding="utf-8")
    with pytest.raises(InvalidRequestError) as caught:
        read_silicon(path)
    assert str(caught.value).startswith(f"{path}: {said}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"absent\.csv: got .*No such file.*wants a readable CSV file"):
        read_silicon(tmp_path / "absent.csv")
    path = tmp_path / "rows.csv"
    path.write_text("model,isl\n", encoding="utf-8")
    with pytest.raises(InvalidRequestError, match=r"rows\.csv: line 1: got no column system"):
        read_silicon(path)
    path.write_text(f"{HEADER}\n", encoding="utf-8")
    with pytest.raises(InvalidRequestError, match="got no rows"):
        read_silicon(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidRequestError, match="wants a readable CSV file"):
        read_silicon(path)
