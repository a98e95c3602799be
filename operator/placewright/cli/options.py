"""The options that plan, explain and pareto share, and what they change in a request."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf, isfinite
from typing import Any, Final

import click

from placewright.cli.decorate import Command, with_options
from placewright.cli.faults import Fault, FaultsError, faults_of
from placewright.cli.inputs import Inputs, Job, to_inputs
from placewright.cli.live import Source, figures, prometheus_options
from placewright.cli.scene import Scene
from placewright.core.errors import InvalidRequestError
from placewright.core.model import Method, ObjectiveType, Request

METHODS: Final = {method.value.lower(): method for method in Method}
_SECONDS_PER_UNIT: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_BARE: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


class Positive(click.ParamType[float]):
    """A finite number above 0."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number."""
        try:
            number = float(value)
        except ValueError:
            number = inf
        if not (isfinite(number) and number > 0):
            self.fail(f"got {value!r}, wants a number above 0", param, ctx)
        return number


class Seconds(click.ParamType[float]):
    """A duration such as 30s, 1m30s, 500ms; a bare number counts seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the duration as seconds."""
        text = str(value)
        parts = [(text, "")] if _BARE.fullmatch(text) else _DURATION.findall(text)
        seconds = sum(float(number) * _SECONDS_PER_UNIT[unit] for number, unit in parts)
        if "".join(number + unit for number, unit in parts) != text or not (isfinite(seconds) and seconds > 0):
            self.fail(f"got {text!r}, wants a duration such as 30s, 1m30s or 500ms", param, ctx)
        return seconds


class Numbers(click.ParamType[tuple[float, ...]]):
    """Numbers above 0 with commas between."""

    name = "number,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Read the numbers in ascending order."""
        if isinstance(value, tuple):
            return value
        return tuple(sorted({Positive().convert(part.strip(), param, ctx) for part in str(value).split(",")}))


class Limits(click.ParamType[dict[str, int]]):
    """NAME=NUMBER pairs with commas between."""

    name = "NAME=N,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, int]:
        """Read the pairs."""
        if isinstance(value, dict):
            return value
        found: dict[str, int] = {}
        for part in str(value).split(","):
            name, _, number = (text.strip() for text in part.partition("="))
            if not name or not number.isdecimal() or int(number) < 1:
                self.fail(f"got {part!r}, wants NAME=NUMBER such as A100=8", param, ctx)
            if name in found:
                self.fail(f"got {name!r} twice, wants each name once", param, ctx)
            found[name] = int(number)
        return found


def _parameters(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Read key=value pairs of a config.csv."""
    found: dict[str, str] = {}
    for value in values:
        name, equals, text = (part.strip() for part in value.partition("="))
        if not name or not equals:
            raise click.BadParameter(f"got {value!r}, wants KEY=VALUE", ctx=ctx, param=param)
        if name in found:
            raise click.BadParameter(f"got {name!r} twice, wants each key once", ctx=ctx, param=param)
        found[name] = text
    return found


POOLS_OPTION: Final = click.option(
    "--pools",
    metavar="FILE",
    multiple=True,
    help="File or folder with further pools, policies, profiles, Nodes and Pods, or with a list of pools (as in"
    " spec.pools) for requests that have none; may be repeated.",
)

_SOURCES: Final = (
    click.option(
        "-f",
        "--filename",
        "filenames",
        metavar="FILE",
        multiple=True,
        help="File or folder with PlacementRequests, GPUPools, PlacementPolicies, PerformanceProfiles, Nodes and Pods,"
        " - for stdin; may be repeated.",
    ),
    POOLS_OPTION,
    click.option(
        "-n", "--namespace", metavar="NAME", help="Namespace of requests whose file names none.  [default: default]"
    ),
    click.option("--config-dir", metavar="DIR", help="Folder in the CSV format, in place of -f."),
    click.option(
        "--max-tp", type=Limits(), help="With --config-dir: largest TP degree by GPU type, such as A100=8,T4=4."
    ),
    click.option(
        "--set",
        "parameters",
        metavar="KEY=VALUE",
        multiple=True,
        callback=_parameters,
        help="With --config-dir: replace a parameter of config.csv; may be repeated.",
    ),
)

_SEARCH: Final = (
    click.option("--method", type=click.Choice(list(METHODS), case_sensitive=False), help="How to search."),
    click.option(
        "--cost-weight",
        type=click.FloatRange(0.0, 1.0),
        metavar="W",
        help="Optimise W x cost - (1 - W) x throughput: 1 is cost alone, 0 throughput alone.",
    ),
    click.option(
        "--min-throughput",
        type=Positive(),
        metavar="TOKENS_PER_S",
        help="Optimise cost per hour at this throughput at least; a floor when another objective is asked for.",
    ),
    click.option(
        "--target-cost",
        type=Positive(),
        metavar="USD",
        help="Price to beat in USD per million tokens (methods enumeration and iterative).",
    ),
    click.option("--budgets", type=Numbers(), metavar="USD,...", help="Hourly budgets to try (method enumeration)."),
    click.option("--time-limit", type=Seconds(), metavar="DURATION", help="Longest search, such as 30s."),
)


_CLUSTER: Final = (
    click.option(
        "--from-cluster",
        is_flag=True,
        help="Read the cluster, and only read it: what would be decided now. Files of -f are laid over it.",
    ),
    click.option(
        "--kubeconfig",
        type=click.Path(),
        metavar="FILE",
        help="Credentials.  [default: $KUBECONFIG, then ~/.kube/config]",
    ),
    click.option("--context", metavar="NAME", help="Context of the kubeconfig.  [default: its current one]"),
)


def request_options(command: Command) -> Command:
    """Give a command the options that say what to plan and how."""
    command = prometheus_options(command)
    return with_options(command, (*_SOURCES, *_SEARCH))


def cluster_options(command: Command) -> Command:
    """Give a command the options that say which cluster to read."""
    return with_options(command, _CLUSTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of `request_options` and `cluster_options` as they were given."""

    filenames: tuple[str, ...]
    pools: tuple[str, ...]
    namespace: str | None
    config_dir: str | None
    max_tp: Mapping[str, int] | None
    parameters: Mapping[str, str]
    method: str | None
    cost_weight: float | None
    min_throughput: float | None
    target_cost: float | None
    budgets: tuple[float, ...] | None
    time_limit: float | None
    from_cluster: bool = False
    kubeconfig: str | None = None
    context: str | None = None
    keep_present: bool = False
    prometheus_url: str | None = None
    prometheus_token_file: str | None = None
    prometheus_ca_file: str | None = None

    def read(self) -> Inputs:
        """Read what is to be planned, with the options applied.

        Raises:
            FaultsError: with every fault.
            click.UsageError: options that do not go together.
        """
        self._check_sources()
        if self.config_dir is None:
            return self.inputs(self._scene())
        inputs = self._read_folder(self.config_dir)
        return self._checked(replace(inputs, jobs=tuple(self._applied(job) for job in inputs.jobs)))

    def scene(self) -> Scene:
        """Read files and the cluster; errors as in `read`.

        Raises:
            click.UsageError: a folder in the CSV format is asked for, which is no scene.
        """
        self._check_sources()
        if self.config_dir is not None:
            raise click.UsageError("--what-if wants -f or --from-cluster; with --config-dir use --set")
        return self._scene()

    def inputs(self, scene: Scene) -> Inputs:
        """Convert a scene to what is to be planned, with the options applied; errors as in `read`."""
        now = datetime.now(tz=UTC)
        keep = self.from_cluster or self.keep_present
        live = figures(scene, self._prometheus)
        if live is None:
            return self._checked(to_inputs(scene, now=now, keep_present=keep, changed=self._changed))
        inputs = to_inputs(scene, now=now, keep_present=keep, changed=self._changed, live=live)
        return self._checked(replace(inputs, notes=(*inputs.notes, *live.notes)))

    @property
    def _prometheus(self) -> Source:
        return Source(url=self.prometheus_url, token_file=self.prometheus_token_file, ca_file=self.prometheus_ca_file)

    def _checked(self, inputs: Inputs) -> Inputs:
        faults = [fault for job in inputs.jobs for fault in self._misplaced(job)]
        if faults:
            raise FaultsError(faults)
        return inputs

    def _check_sources(self) -> None:
        sources = {"-f": self.filenames, "--from-cluster": self.from_cluster, "--config-dir": self.config_dir}
        given = [name for name, value in sources.items() if value]
        if not given:
            raise click.UsageError("got neither -f nor --config-dir, wants one of them")
        if self.config_dir is not None and len(given) > 1:
            raise click.UsageError(f"got both {given[0]} and --config-dir, wants one of them")
        only_folder = {"--max-tp": self.max_tp, "--set": self.parameters}
        only_files = {
            "--pools": self.pools,
            "-n": self.namespace,
            "--keep-present": self.keep_present,
            "--prometheus-url": self.prometheus_url,
        }
        misplaced, other = (only_files, "-f") if self.config_dir is not None else (only_folder, "--config-dir")
        for name, value in misplaced.items():
            if value:
                raise click.UsageError(f"{name} wants {other}")
        if not self.from_cluster and (self.kubeconfig or self.context):
            raise click.UsageError(f"{'--kubeconfig' if self.kubeconfig else '--context'} wants --from-cluster")

    def _scene(self) -> Scene:
        from placewright.cli.reader import Reader  # noqa: PLC0415 - --help needs none of it

        reader = Reader(self.pools)
        reader.read(self.filenames)
        if not self.from_cluster:
            reader.want_requests(", ".join(self.filenames))
            return reader.scene(self.namespace)
        from placewright.cli.cluster import read_cluster  # noqa: PLC0415 - --help needs no client

        over = reader.scene(self.namespace, alone=False)
        return read_cluster(self.kubeconfig, self.context).under(over)

    def _read_folder(self, folder: str) -> Inputs:
        from placewright.configdir import read_config_dir  # noqa: PLC0415 - --help needs no numpy

        try:
            read = read_config_dir(
                folder,
                max_tensor_parallel=self.max_tp,
                method=METHODS[self.method] if self.method else Method.EXACT,
                cost_weight=self.cost_weight,
                overrides=self.parameters,
            )
        except InvalidRequestError as error:
            raise FaultsError(faults_of(error)) from None
        job = Job(name=read.request.name, namespace=read.request.namespace, source=folder, request=read.request)
        return Inputs(jobs=(job,), notes=read.warnings)

    def _applied(self, job: Job) -> Job:
        return job if job.request is None else replace(job, request=self._changed(job.request))

    def _changed(self, request: Request) -> Request:
        objective, solver = request.objective, request.solver
        if self.min_throughput is not None:
            if objective.type is ObjectiveType.COST_PER_TOKEN:
                objective = replace(objective, type=ObjectiveType.COST)
            objective = replace(objective, min_tokens_per_second=self.min_throughput)
        if self.cost_weight is not None:
            objective = replace(objective, type=ObjectiveType.WEIGHTED, cost_weight=self.cost_weight)
        if self.method is not None:
            solver = replace(solver, method=METHODS[self.method])
        if self.target_cost is not None:
            solver = replace(solver, target_cost_per_million_tokens=self.target_cost)
        if self.budgets is not None:
            solver = replace(solver, budgets_per_hour=self.budgets)
        if self.time_limit is not None:
            solver = replace(solver, time_limit_seconds=self.time_limit)
        return replace(request, objective=objective, solver=solver)

    def _misplaced(self, job: Job) -> list[Fault]:
        """Options that the method or the objective would not look at."""
        if job.request is None:
            return []
        method, kind = job.request.solver.method, job.request.objective.type
        faults = self._not_for_fleets(job, job.request)
        if self.budgets is not None and method is not Method.ENUMERATION:
            got = f"method {method.lower()} for {job.title}"
            faults.append(Fault(place="--budgets", got=got, wants="--method enumeration"))
        if self.target_cost is not None and method not in (Method.ENUMERATION, Method.ITERATIVE):
            got = f"method {method.lower()} for {job.title}"
            faults.append(Fault(place="--target-cost", got=got, wants="--method enumeration or iterative"))
        elif self.target_cost is not None and kind is not ObjectiveType.COST_PER_TOKEN:
            got = f"objective {kind} for {job.title}"
            faults.append(Fault(place="--target-cost", got=got, wants="objective CostPerToken"))
        return faults

    def _not_for_fleets(self, job: Job, request: Request) -> list[Fault]:
        """Options that a request with shared pools, a demand or replicas cannot follow."""
        if not request.in_fleet:
            return []
        got = f"{job.title}, which has shared pools, a demand or replicas"
        faults = []
        if self.method is not None and request.solver.method is not Method.EXACT:
            faults.append(Fault(place=f"--method {self.method}", got=got, wants="--method exact"))
        if self.cost_weight is not None:
            faults.append(Fault(place="--cost-weight", got=got, wants="objective CostPerToken or Cost"))
        return faults


def asked(options: Mapping[str, Any]) -> Asked:
    """Pick the shared options out of a command's keyword arguments."""
    return Asked(**{name: options[name] for name in Asked.__dataclass_fields__ if name in options})
