"""Coefficients of the analytic model: first rounded values, to be replaced by what the fit renders."""

from placewright.core.performance.terms import Coefficients

FITTED = Coefficients(
    step={
        "layer_seconds": 4.7e-05,
        "all_reduce_seconds": 7.6e-06,
        "weight_read": 1.03,
        "kv_read": 1.0,
        "decode_arithmetic": 0.4,
        "decode_all_reduce": 4.6,
        "prompt_layer_seconds": 1.08e-4,
        "prefill_arithmetic": 1.11,
        "prefill_attention": 4.28,
        "prefill_all_reduce": 0.94,
        "stage_seconds": 8.5e-4,
        "sequence_seconds": 1.2e-5,
    },
    step_backend={"vllm": 1.0, "trtllm": 0.66},
    first_token={"prefill_arithmetic": 1.5, "prefill_attention": 2.0, "prefill_all_reduce": 1.0},
    first_token_request_seconds=0.04,
    first_token_sequence_seconds=6e-4,
    first_token_contention=0.08,
    first_token_backend={"vllm": 1.0, "trtllm": 1.7},
)
