"""`placewright calibrate`."""

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from placewright.cli.faults import Fault, FaultsError
from placewright.cli.lazy import debug_option
from placewright.cli.live import Source, prometheus_options
from placewright.cli.options import POOLS_OPTION, Seconds, cluster_options

if TYPE_CHECKING:
    from placewright.api.plan_status import Layout, Plan
    from placewright.api.resource import PlacementRequest
    from placewright.cli.scene import Asking, Scene
    from placewright.core.model import Slo
    from placewright.telemetry.prometheus.calibrate import Finding, Subject

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_LONGEST_SOURCE: Final = 512


@click.command(short_help="Propose measured rows from what a model's servers did.")
@click.argument("name", required=False)
@click.option(
    "-f",
    "--filename",
    "filenames",
    metavar="FILE",
    multiple=True,
    help="File or folder with the PlacementRequest and its status, - for stdin; may be repeated.",
)
@POOLS_OPTION
@click.option(
    "-n",
    "--namespace",
    metavar="NAME",
    help="Namespace of the request; of those whose file names none.  [default: default]",
)
@cluster_options
@prometheus_options
@click.option(
    "--window",
    type=Seconds(),
    default="24h",
    show_default=True,
    metavar="DURATION",
    help="How far back; never before the plan was decided.",
)
@click.option(
    "--quantile",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=0.95,
    show_default=True,
    metavar="Q",
    help="Quantile of TTFT and TPOT that is held against the targets.",
)
@click.option(
    "--preset",
    type=click.Choice(["vllm", "sglang", "tgi"]),
    help="Kind of the servers.  [default: that of observeFrom or demandFrom]",
)
@click.option(
    "--layout-label",
    metavar="LABEL",
    help="Label of the series that tells the layouts of a plan apart: its value is the layout's place in the plan,"
    " counted from 0.",
)
@debug_option
def calibrate(**options: Any) -> None:
    """Propose a PerformanceProfile from observed data: what one replica of each layout of the plan really sustained.

    Asks a Prometheus (--prometheus-url) for the time since the plan in the request's status was decided. The profile
    is printed and never applied. A row is the highest mean rate over five minutes at which the latency targets were
    met: a lower bound, unless the source says why it is not.
    """
    from placewright.cli import emit  # noqa: PLC0415 - --help needs none of it

    asking = _chosen(options)
    profile, notes = _Calibration(asking, options).profile()
    emit.notes(notes)
    emit.data(profile, "yaml")


def _chosen(options: dict[str, Any]) -> "Asking":
    """The one request that is asked for."""
    name, namespace = options["name"], options["namespace"]
    found = [
        each
        for each in _scene(options).requests
        if name in (None, each.resource.metadata.name) and (namespace is None or each.key[0] == namespace)
    ]
    if len(found) == 1:
        return found[0]
    titles = ", ".join("/".join(each.key) for each in found[:5])
    got = f"{len(found)} requests ({titles})" if found else "no request" + (f" {name}" if name else "")
    raise FaultsError([Fault(place="calibrate", got=got, wants="one; NAME and -n choose it")])


def _scene(options: dict[str, Any]) -> "Scene":
    from placewright.cli.reader import Reader  # noqa: PLC0415 - --help needs none of it

    files, cluster = options["filenames"], options["from_cluster"]
    if not files and not cluster:
        raise click.UsageError("got neither -f nor --from-cluster, wants one of them")
    if not cluster and (options["kubeconfig"] or options["context"]):
        raise click.UsageError(f"{'--kubeconfig' if options['kubeconfig'] else '--context'} wants --from-cluster")
    reader = Reader(options["pools"])
    reader.read(files)
    if not cluster:
        reader.want_requests(", ".join(files))
        return reader.scene(options["namespace"])
    from placewright.cli.cluster import read_cluster  # noqa: PLC0415 - --help needs no client

    return read_cluster(options["kubeconfig"], options["context"]).under(
        reader.scene(options["namespace"], alone=False)
    )


class _Calibration:
    """One request with a plan, and the servers of its replicas."""

    def __init__(self, asking: "Asking", options: dict[str, Any]) -> None:
        self._asking = asking
        self._resource: PlacementRequest = asking.resource
        self._options = options
        self._preset, self._model, self._model_given = self._server_kind()
        label = options["layout_label"]
        if label is not None and _LABEL.fullmatch(label) is None:
            raise FaultsError([Fault(place="--layout-label", got=repr(label), wants="the name of a label")])

    def profile(self) -> tuple[dict[str, Any], list[str]]:
        """The profile as data, and what the user should know.

        Raises:
            FaultsError: there is no plan, no server, or not enough data.
        """
        from placewright.core.demand import Fault as NoRow  # noqa: PLC0415 - --help needs none of it

        plan, now = self._plan(), time.time()
        window = min(self._options["window"], now - datetime.fromisoformat(plan.decided_at).timestamp())
        if window <= 0:
            raise self._fault(got=f"a plan decided at {plan.decided_at}", wants="a time in the past")
        found, notes = [], []
        for subject, label in self._subjects(plan):
            finding = self._finding(subject, label, window)
            if isinstance(finding, NoRow):
                notes.append(finding.text)
            else:
                found.append(finding)
        if not found:
            raise FaultsError([f"{self._asking.place}: {text}" for text in notes])
        spec = {
            "model": self._resource.spec.model.name,
            "source": self._source(plan, found, window, now),
            "asOf": datetime.fromtimestamp(now, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "method": "Measured",
            "rows": [_row_data(each) for each in found],
        }
        meta = {"name": f"{self._resource.metadata.name}-observed"}
        body = {"apiVersion": "placewright.dev/v1alpha1", "kind": "PerformanceProfile", "metadata": meta, "spec": spec}
        return body, [*notes, *self._size_notes(found)]

    def _fault(self, *, got: str, wants: str) -> FaultsError:
        return FaultsError([Fault(place=self._asking.place, got=got, wants=wants)])

    def _plan(self) -> "Plan":
        from pydantic import ValidationError  # noqa: PLC0415 - --help needs none of it

        from placewright.api.plan_status import Plan  # noqa: PLC0415

        given = (self._resource.status or {}).get("plan")
        try:
            plan = Plan.model_validate(given)
        except ValidationError:
            got = "no plan" if given is None else "a plan that cannot be read"
            raise self._fault(got=f"{got} in the status", wants="a request with the plan that runs") from None
        if plan.state != "Approved":
            raise self._fault(got=f"plan {plan.id}, which is {plan.state}", wants="a plan that runs")
        return plan

    def _server_kind(self) -> tuple[str, str, bool]:
        """Preset, and the name under which the servers report the model."""
        spec = self._resource.spec
        sources = [each for each in (spec.observe_from, spec.workload.demand_from) if each is not None]
        presets = [each.preset for each in sources if each.preset is not None]
        preset = self._options["preset"] or next(iter(presets), None)
        if preset is None:
            raise self._fault(got="no spec.observeFrom", wants="--preset, the kind of the servers")
        if preset == "gateway":
            raise self._fault(got="preset gateway, which sees no replicas", wants="--preset, the kind of the servers")
        names = [each.model_name for each in sources if each.model_name is not None]
        return preset, next(iter(names), spec.model.name), bool(names)

    def _subjects(self, plan: "Plan") -> "list[tuple[Subject, tuple[str, str] | None]]":
        """Each layout, with the label that tells its replicas from those of others."""
        label = self._options["layout_label"]
        subjects = [self._subject(each) for each in plan.layouts]
        if label is not None:
            return [(subject, (label, str(index))) for index, subject in enumerate(subjects)]
        if len(set(subjects)) > 1:
            got = f"a plan of {len(subjects)} layouts, whose replicas look alike"
            raise self._fault(got=got, wants="--layout-label, which tells them apart")
        return [(subjects[0], None)]

    def _subject(self, layout: "Layout") -> "Subject":
        from placewright.telemetry.prometheus.calibrate import Subject  # noqa: PLC0415 - --help needs none of it

        kinds = {(stage.gpu, stage.tensor_parallel) for stage in layout.stages}
        if len(kinds) != 1:
            raise self._fault(got="a layout of several GPU kinds or TP degrees", wants="one that a row can name")
        ((gpu, degree),) = kinds
        return Subject(
            gpu=gpu,
            tensor_parallel=degree,
            pipeline_parallel=len(layout.stages),
            precision=layout.precision,
        )

    def _finding(self, subject: "Subject", label: tuple[str, str] | None, window: float) -> "Finding | Any":
        from dataclasses import replace  # noqa: PLC0415 - --help needs none of it

        from placewright.cli.live import answers  # noqa: PLC0415
        from placewright.telemetry.prometheus.calibrate import find, questions  # noqa: PLC0415
        from placewright.telemetry.prometheus.presets import target  # noqa: PLC0415

        options = self._options
        server = Source(
            url=options["prometheus_url"],
            token_file=options["prometheus_token_file"],
            ca_file=options["prometheus_ca_file"],
        ).server()
        if server is None:
            raise click.UsageError("got no --prometheus-url, wants the server to ask")
        whose = target(self._preset, namespace=self._asking.key[0], model=self._model, model_given=self._model_given)
        asked = questions(replace(whose, label=label), window_seconds=window, quantile=options["quantile"])
        entries, _ = answers(server, asked.queries)
        return find(asked, entries, subject, self._slo())

    def _slo(self) -> "Slo":
        from placewright.api.convert_workload import slo_of  # noqa: PLC0415 - --help needs no pydantic

        return slo_of(self._resource.spec.slo, "spec.slo")

    def _source(self, plan: "Plan", found: "list[Finding]", window: float, now: float) -> str:
        """What the rows are, for the reader of the profile."""
        begin, end = (datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%dT%H:%MZ") for at in (now - window, now))
        parts = []
        for number, each in enumerate(found):
            fewest, most = each.replicas
            seen = f"{fewest}" if fewest == most else f"{fewest} to {most}"
            bound = f"saturated: {each.saturated}" if each.saturated else "a lower bound, not saturated"
            parts.append(f"row {number}: {each.samples} samples of {seen} replicas, {bound}")
        title = "/".join(part for part in self._asking.key if part)
        text = (
            f"placewright calibrate: {title}, plan {plan.id}, Prometheus (preset {self._preset}), {begin} to {end};"
            f" highest 5 min mean of requests/s per replica with TTFT and TPOT at quantile"
            f" {self._options['quantile']:g} within the targets; {'; '.join(parts)}"
        )
        return text if len(text) <= _LONGEST_SOURCE else text[: _LONGEST_SOURCE - 3] + "..."

    def _size_notes(self, found: "list[Finding]") -> list[str]:
        workload = self._resource.spec.workload
        if workload.demand_from is not None or workload.input_tokens is None or workload.output_tokens is None:
            return []
        asked = (workload.input_tokens, workload.output_tokens)
        sizes = {(each.row.input_tokens, each.row.output_tokens) for each in found}
        return [
            f"the requests had {size[0]} + {size[1]} tokens on average and spec.workload says {asked[0]} + {asked[1]};"
            " a row counts for requests of its own size alone"
            for size in sorted(sizes - {asked})
        ]


def _row_data(finding: "Finding") -> dict[str, Any]:
    row = finding.row
    latencies = {"ttft": row.ttft_seconds, "tpot": row.tpot_seconds}
    return {
        "gpu": row.gpu,
        "tensorParallel": row.tensor_parallel,
        "pipelineParallel": row.pipeline_parallel,
        "precision": row.precision,
        "inputTokens": row.input_tokens,
        "outputTokens": row.output_tokens,
        "requestsPerSecond": float(f"{row.requests_per_second:.6g}"),
        "concurrency": row.concurrency,
        **{name: f"{seconds * 1000:.3f}ms" for name, seconds in latencies.items() if seconds is not None},
    }
