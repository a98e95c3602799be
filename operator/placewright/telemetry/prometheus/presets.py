"""Names of the metrics of known servers, old and new, and the expressions over them.

Sources: vLLM's and SGLang's pages on production metrics, TGI's reference of metrics, the table of model servers'
metrics and the endpoint picker's own ones of the Gateway API inference extension and of llm-d, TensorRT-LLM's metrics
of trtllm-serve, and DCGM's exporter. Where a name was changed, the newer one stands first.

The namespace of a series is its label `exported_namespace` where it has one (Prometheus gives that name to a label
`namespace` of the exporter itself, unless the scrape honours labels), and `namespace` otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from placewright.telemetry.prometheus.promql import selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Metrics of one kind of server; histograms without `_bucket`, newer names first, empty: there is none.

    Attributes:
        requests: counters of requests.
        waiting: gauges of requests that wait, where `requests` counts the finished ones: what the queue grows by
            has come too, and a full server must not look like one that has no more demand.
        running: gauges of requests in work.
        input_sizes: histograms of tokens of a prompt.
        output_sizes: histograms of generated tokens of a request.
        input_tokens: counters of tokens of prompts.
        output_tokens: counters of generated tokens.
        ttft: histograms of seconds to the first token.
        tpot: histograms of seconds per further token.
        names_model: whether series carry the model's name by themselves.
    """

    requests: tuple[str, ...]
    waiting: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    input_sizes: tuple[str, ...]
    output_sizes: tuple[str, ...]
    input_tokens: tuple[str, ...]
    output_tokens: tuple[str, ...]
    ttft: tuple[str, ...] = ()
    tpot: tuple[str, ...] = ()
    names_model: bool = True


PRESETS: Final[Mapping[str, Preset]] = {
    "vllm": Preset(
        requests=("vllm:request_success_total",),
        waiting=("vllm:num_requests_waiting",),
        running=("vllm:num_requests_running",),
        input_sizes=("vllm:request_prompt_tokens",),
        output_sizes=("vllm:request_generation_tokens",),
        input_tokens=("vllm:prompt_tokens_total",),
        output_tokens=("vllm:generation_tokens_total",),
        ttft=("vllm:time_to_first_token_seconds",),
        tpot=(
            "vllm:request_time_per_output_token_seconds",
            "vllm:inter_token_latency_seconds",
            "vllm:time_per_output_token_seconds",
        ),
    ),
    "sglang": Preset(
        requests=("sglang:num_requests_total",),
        waiting=("sglang:num_queue_reqs",),
        running=("sglang:num_running_reqs",),
        input_sizes=("sglang:prompt_tokens_histogram",),
        output_sizes=("sglang:generation_tokens_histogram",),
        input_tokens=("sglang:prompt_tokens_total",),
        output_tokens=("sglang:generation_tokens_total",),
        ttft=("sglang:time_to_first_token_seconds",),
        tpot=(
            "sglang:request_time_per_output_token_seconds",
            "sglang:inter_token_latency_seconds",
            "sglang:time_per_output_token_seconds",
        ),
    ),
    "tgi": Preset(
        requests=("tgi_request_count", "tgi_request_count_total"),
        running=("tgi_batch_current_size",),
        input_sizes=("tgi_request_input_length",),
        output_sizes=("tgi_request_generated_tokens",),
        input_tokens=("tgi_request_input_length_sum",),
        output_tokens=("tgi_request_generated_tokens_sum",),
        tpot=("tgi_request_mean_time_per_token_duration",),
        names_model=False,
    ),
    # Its "normalized" time per token includes the first one and the queue, which is no TPOT.
    "gateway": Preset(
        requests=("inference_objective_request_total", "inference_model_request_total"),
        input_sizes=("inference_objective_input_tokens", "inference_model_input_tokens"),
        output_sizes=("inference_objective_output_tokens", "inference_model_output_tokens"),
        input_tokens=("inference_objective_input_tokens_sum", "inference_model_input_tokens_sum"),
        output_tokens=("inference_objective_output_tokens_sum", "inference_model_output_tokens_sum"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityNames:
    """Metrics that tell what one kind of server does, each under all its names.

    Attributes:
        finished: counters of finished requests.
        running: gauges of requests in work.
        waiting: gauges of requests that wait.
        names_model: whether series carry the model's name by themselves, in the label model_name.
    """

    finished: tuple[str, ...]
    running: tuple[str, ...]
    waiting: tuple[str, ...]
    names_model: bool = True


ACTIVITY: Final[Mapping[str, ActivityNames]] = {
    "vllm": ActivityNames(
        finished=("vllm:request_success_total",),
        running=("vllm:num_requests_running", "vllm:num_requests_swapped"),
        waiting=("vllm:num_requests_waiting",),
    ),
    "sglang": ActivityNames(
        finished=("sglang:num_requests_total", "sglang_num_requests_total"),
        running=("sglang:num_running_reqs", "sglang_num_running_reqs"),
        waiting=("sglang:num_queue_reqs", "sglang_num_queue_reqs"),
    ),
    "tgi": ActivityNames(
        finished=("tgi_request_count", "tgi_request_count_total"),
        running=("tgi_batch_current_size",),
        waiting=("tgi_queue_size",),
        names_model=False,
    ),
    "triton": ActivityNames(  # trtllm-serve, which is what is rendered for that runtime
        finished=("trtllm_request_success_total",),
        running=("trtllm_num_requests_running",),
        waiting=("trtllm_num_requests_waiting",),
    ),
}

# Requests that an endpoint picker holds back. A series is there only once a request has waited, so that the picker's
# own information, which is always there, says whether none is no request or no picker.
QUEUES: Final = ("llm_d_epp_flow_control_queue_size", "inference_extension_flow_control_queue_size")
PICKERS: Final = ("llm_d_epp_info", "inference_extension_info")

GPU_UTILIZATION: Final = "DCGM_FI_DEV_GPU_UTIL"
GPU_POWER: Final = "DCGM_FI_DEV_POWER_USAGE"  # watts
GPU_POWER_LIMIT: Final = "DCGM_FI_DEV_ENFORCED_POWER_LIMIT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whose series count.

    Attributes:
        preset: kind of server.
        namespace: of the request.
        model: the name under which the server reports the model; None: series carry none.
        label: one more label and its value, which tells some of the servers from others; None: all count.
    """

    preset: Preset
    namespace: str
    model: str | None
    label: tuple[str, str] | None = None

    def _selectors(self, metrics: Sequence[str]) -> list[str]:
        more = [] if self.model is None else [("model_name", self.model)]
        more += [] if self.label is None else [self.label]
        own = [("namespace", self.namespace), ("exported_namespace", "")]
        renamed = [("exported_namespace", self.namespace)]
        return [selector(metric, [*labels, *more]) for metric in metrics for labels in (own, renamed)]

    def _each(self, function: str, metrics: Sequence[str], seconds: float) -> str:
        """Series by series: of a server that shows a metric under both names one counts, of others what they have."""
        return " or ".join(f"{function}({each}[{span(seconds)}])" for each in self._selectors(metrics))

    def _rate(self, metrics: Sequence[str], seconds: float) -> str:
        return f"sum({self._each('rate', metrics, seconds)})"

    def request_rate(self, seconds: float) -> str:
        """Requests per second that come, as a mean over so many seconds."""
        rate = self._rate(self.preset.requests, seconds)
        if not self.preset.waiting:
            return rate
        growth = f"sum({self._each('deriv', self.preset.waiting, seconds)})"
        return f"{rate} + (clamp_min({growth}, 0) or vector(0))"

    def sizes(self, metrics: Sequence[str], seconds: float) -> tuple[str, str]:
        """Requests per second by bucket, and tokens per second, of a histogram of sizes."""
        buckets = self._each("rate", [f"{metric}_bucket" for metric in metrics], seconds)
        return f"sum by (le) ({buckets})", self._rate([f"{metric}_sum" for metric in metrics], seconds)

    def token_rate(self, seconds: float, *, output_alone: bool) -> str:
        """Tokens per second that are really served, as a mean over so many seconds."""
        output = self._rate(self.preset.output_tokens, seconds)
        return output if output_alone else f"{self._rate(self.preset.input_tokens, seconds)} + {output}"

    def last_seen(self, metrics: Sequence[str]) -> str:
        """Unix time of the newest sample; nothing when there is none in the server's look-back (5 minutes)."""
        return f"max({' or '.join(f'timestamp({each})' for each in self._selectors(metrics))})"

    def latency(self, metrics: Sequence[str], quantile: float, seconds: float) -> str:
        """A quantile of a histogram of seconds: of the first name that has one, since buckets differ between names."""
        found = (self._each("rate", [f"{metric}_bucket"], seconds) for metric in metrics)
        return " or ".join(f"histogram_quantile({quantile:g}, sum by (le) ({each}))" for each in found)

    def finished_rate(self, seconds: float) -> str:
        """Requests per second that were served, as a mean over so many seconds."""
        return self._rate(self.preset.requests, seconds)

    def mean_gauge(self, metrics: Sequence[str], seconds: float) -> str:
        """A gauge's mean over so many seconds, summed over the servers."""
        return f"sum({self._each('avg_over_time', metrics, seconds)})"

    def servers(self, seconds: float) -> str:
        """How many servers gave samples within so many seconds."""
        return f"count(count by (instance, pod) ({self._each('present_over_time', self.preset.running, seconds)}))"

    def mean_size(self, metrics: Sequence[str], seconds: float) -> str:
        """Tokens per request: of counters of tokens over requests served."""
        return f"{self._rate(metrics, seconds)} / {self.finished_rate(seconds)}"


def span(seconds: float) -> str:
    """A duration as PromQL writes it."""
    return f"{max(1, round(seconds * 1000))}ms"


def target(name: str, *, namespace: str, model: str, model_given: bool) -> Target:
    """The series of a model by a preset.

    Args:
        name: of the preset.
        namespace: of the request.
        model: the name under which the server reports the model.
        model_given: whether somebody wrote that name for this purpose. Where a server's own series carry no model, it
            is then taken for a label that the scrape sets; otherwise the namespace alone tells.
    """
    preset = PRESETS[name]
    return Target(preset=preset, namespace=namespace, model=model if preset.names_model or model_given else None)
