"""A scripted exporter of inference servers: honest counters and histograms over HTTP, whose rates a test sets."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

TOKEN_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000)  # vLLM's own
SECONDS_BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What a model gets: requests per second of (input tokens, output tokens, share), and how fast it answers."""

    requests_per_second: float
    sizes: tuple[tuple[int, int, float], ...] = ((1500, 300, 1.0),)
    ttft_seconds: float = 0.4
    tpot_seconds: float = 0.025
    waiting: float = 0.0
    running: float = 4.0


@dataclass(frozen=True, kw_only=True)
class Names:
    """Metric names of one kind of server; empty: it has no such metric."""

    requests: str
    input_sizes: str
    output_sizes: str
    input_tokens: str = ""
    output_tokens: str = ""
    ttft: str = ""
    tpot: Sequence[str] = ()
    waiting: str = ""
    running: str = ""


def _vllm(*tpot: str) -> Names:
    return Names(
        requests="vllm:request_success_total",
        input_sizes="vllm:request_prompt_tokens",
        output_sizes="vllm:request_generation_tokens",
        input_tokens="vllm:prompt_tokens_total",
        output_tokens="vllm:generation_tokens_total",
        ttft="vllm:time_to_first_token_seconds",
        tpot=tpot,
        waiting="vllm:num_requests_waiting",
        running="vllm:num_requests_running",
    )


OLD_VLLM = _vllm("vllm:time_per_output_token_seconds")
MIDDLE_VLLM = _vllm("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds")  # shows both
NEW_VLLM = _vllm("vllm:inter_token_latency_seconds", "vllm:request_time_per_output_token_seconds")
SGLANG = Names(
    requests="sglang:num_requests_total",
    input_sizes="sglang:prompt_tokens_histogram",
    output_sizes="sglang:generation_tokens_histogram",
    input_tokens="sglang:prompt_tokens_total",
    output_tokens="sglang:generation_tokens_total",
    ttft="sglang:time_to_first_token_seconds",
    tpot=("sglang:inter_token_latency_seconds",),
    waiting="sglang:num_queue_reqs",
    running="sglang:num_running_reqs",
)
TGI = Names(
    requests="tgi_request_count",
    input_sizes="tgi_request_input_length",
    output_sizes="tgi_request_generated_tokens",
    tpot=("tgi_request_mean_time_per_token_duration",),
    running="tgi_batch_current_size",
)
GATEWAY = Names(
    requests="inference_objective_request_total",
    input_sizes="inference_objective_input_tokens",
    output_sizes="inference_objective_output_tokens",
)
OLD_GATEWAY = Names(
    requests="inference_model_request_total",
    input_sizes="inference_model_input_tokens",
    output_sizes="inference_model_output_tokens",
)


@dataclass
class _Flow:
    """Totals of one model on one server, folded up to `since`."""

    names: Names
    labels: Mapping[str, str]
    traffic: Traffic
    since: float
    by_size: dict[tuple[int, int], float] = field(default_factory=dict)
    by_latency: dict[tuple[float, float], float] = field(default_factory=dict)

    def fold(self, now: float) -> None:
        done = max(0.0, now - self.since) * self.traffic.requests_per_second
        self.since = now
        for size_in, size_out, share in self.traffic.sizes:
            key = (size_in, size_out)
            self.by_size[key] = self.by_size.get(key, 0.0) + done * share
        latency = (self.traffic.ttft_seconds, self.traffic.tpot_seconds)
        self.by_latency[latency] = self.by_latency.get(latency, 0.0) + done


class Exporter:
    """An HTTP server with /metrics. Counters grow with the clock by the traffic that is set.

    Args:
        clock: seconds; injected where a history is written in no time.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._flows: dict[str, _Flow] = {}
        self._gauges: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self._server: ThreadingHTTPServer | None = None

    def serve(
        self, traffic: Traffic, *, model: str = "m", names: Names = NEW_VLLM, key: str = "", **labels: str
    ) -> None:
        """Sets the traffic of a model from now on; `key` tells servers of one model apart, as a pod's name does."""
        with self._lock:
            now, found = self._clock(), self._flows.get(key or model)
            if found is None:
                every = {"model_name": model, **labels} if names is not TGI else dict(labels)
                if key:
                    every["pod"] = key
                self._flows[key or model] = _Flow(names=names, labels=every, traffic=traffic, since=now)
                return
            found.fold(now)
            found.traffic = traffic

    def gauge(self, name: str, value: float | None, **labels: str) -> None:
        """Sets any gauge, such as a revenue; None removes it."""
        with self._lock:
            key = (name, tuple(sorted(labels.items())))
            if value is None:
                self._gauges.pop(key, None)
            else:
                self._gauges[key] = value

    def exposition(self, at: str = "") -> str:
        """All series as text; `at` is written behind each value, as a timestamp is."""
        with self._lock:
            now = self._clock()
            lines: list[str] = []
            for flow in self._flows.values():
                flow.fold(now)
                lines += _lines(flow)
            lines += [f"{name}{_labels(dict(labels))} {value}" for (name, labels), value in self._gauges.items()]
        return "".join(f"{line} {at}\n" if at else f"{line}\n" for line in lines)

    @property
    def address(self) -> str:
        """HOST:PORT as a scrape target has it."""
        assert self._server is not None, "the exporter is not started"
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exporter.exposition().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def history(exporter: Exporter, advance: Callable[[float], None], *, start: float, end: float, step: float) -> str:
    """What a scrape every `step` seconds would have stored, in the OpenMetrics format with timestamps.

    Args:
        exporter: with the clock that `advance` moves.
        advance: sets the clock, and the traffic where it changes with time.
        start: Unix time of the first scrape.
        end: of the last one.
        step: seconds.
    """
    by_name: dict[str, list[str]] = {}
    for index in range(int((end - start) / step) + 1):
        now = start + index * step
        advance(now)
        for line in exporter.exposition(at=f"{now:.3f}").splitlines():
            by_name.setdefault(line.partition("{")[0], []).append(line)
    # The format wants the samples of one metric together.
    parts = [f"# TYPE {name} unknown\n" + "\n".join(lines) + "\n" for name, lines in sorted(by_name.items())]
    return "".join(parts) + "# EOF\n"


def _lines(flow: _Flow) -> list[str]:
    names, labels, traffic = flow.names, flow.labels, flow.traffic
    requests = sum(flow.by_size.values())
    inputs = [(float(size[0]), count) for size, count in flow.by_size.items()]
    outputs = [(float(size[1]), count) for size, count in flow.by_size.items()]
    reason = {} if names.requests != "vllm:request_success_total" else {"finished_reason": "stop"}
    lines = [f"{names.requests}{_labels({**labels, **reason})} {requests}"]
    if names.input_tokens:
        lines.append(f"{names.input_tokens}{_labels(labels)} {sum(size * count for size, count in inputs)}")
        lines.append(f"{names.output_tokens}{_labels(labels)} {sum(size * count for size, count in outputs)}")
    lines += _histogram(names.input_sizes, labels, inputs, TOKEN_BOUNDS)
    lines += _histogram(names.output_sizes, labels, outputs, TOKEN_BOUNDS)
    if names.ttft:
        lines += _histogram(names.ttft, labels, [(key[0], n) for key, n in flow.by_latency.items()], SECONDS_BOUNDS)
    for name in names.tpot:
        lines += _histogram(name, labels, [(key[1], n) for key, n in flow.by_latency.items()], SECONDS_BOUNDS)
    gauges = ((names.waiting, traffic.waiting), (names.running, traffic.running))
    return lines + [f"{name}{_labels(labels)} {value}" for name, value in gauges if name]


def _histogram(
    name: str, labels: Mapping[str, str], values: Sequence[tuple[float, float]], bounds: Sequence[float]
) -> list[str]:
    lines = [
        f"{name}_bucket{_labels({**labels, 'le': f'{float(bound)}'})} {sum(n for v, n in values if v <= bound)}"
        for bound in bounds
    ]
    total = sum(count for _, count in values)
    lines.append(f"{name}_bucket{_labels({**labels, 'le': '+Inf'})} {total}")
    lines.append(f"{name}_sum{_labels(labels)} {sum(value * count for value, count in values)}")
    lines.append(f"{name}_count{_labels(labels)} {total}")
    return lines


def _labels(labels: Mapping[str, str]) -> str:
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for name, value in labels.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"
