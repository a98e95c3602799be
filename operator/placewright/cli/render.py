"""`placewright render`."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import click

from placewright.cli import exits
from placewright.cli.decorate import form_option, with_options
from placewright.cli.lazy import debug_option
from placewright.cli.options import Asked, Seconds, asked, cluster_options, request_options

if TYPE_CHECKING:
    from placewright.cli.inputs import Job
    from placewright.cli.planning import Answer, Planned
    from placewright.kube.manifests import Choices, Manifest, Route, Work

_RUNTIMES: Final = ("vllm", "sglang", "triton")  # those of kube.manifests.ENGINES, which --help need not import
_LONGEST: Final = 253
_PRECISIONS: Final = ("bf16", "fp16", "fp8", "int8", "int4", "fp4")

_CHOICES: Final = (
    click.option("--image", metavar="IMAGE", default="", help="Container image of the runtime."),
    click.option(
        "--runtime",
        type=click.Choice(_RUNTIMES),
        help="What serves the plan; triton is TensorRT-LLM's trtllm-serve.  [default: vllm]",
    ),
    click.option(
        "--model",
        "models",
        metavar="[PRECISION=]NAME",
        multiple=True,
        help="Repository or path that the engine loads, for all precisions or for one; may be repeated."
        "  [default: spec.model.name]",
    ),
    click.option(
        "--route",
        "gateway",
        metavar="[NAMESPACE/]NAME",
        help="Gateway that traffic comes in by: an HTTPRoute shares it by weight.",
    ),
    click.option("--hostname", "hostnames", metavar="NAME", multiple=True, help="With --route: host name; repeatable."),
    click.option(
        "--backends",
        type=click.Choice(["services", "inference-pools"]),
        help="With --route: what the route leads to.  [default: services]",
    ),
    click.option(
        "--cache-claim", metavar="NAME", default="", help="PersistentVolumeClaim for models; an emptyDir otherwise."
    ),
    click.option(
        "--token-secret",
        metavar="NAME[/KEY]",
        default="",
        help="Secret with a Hugging Face token.  [default key: token]",
    ),
    click.option(
        "--start-within",
        type=Seconds(),
        help="How long loading the model may take before a Pod starts anew.  [default: 1h]",
    ),
)


def _choices(command: Any) -> Any:
    return with_options(command, _CHOICES)


@click.command(short_help="Print the objects that start a plan, for GitOps.", epilog=exits.HELP)
@request_options
@cluster_options
@click.option("--keep-present", is_flag=True, help="Plans in the files' statuses are there: stabilization keeps them.")
@click.option("--present", is_flag=True, help="Render the plans in the statuses as they are, and plan nothing.")
@_choices
@form_option("yaml", "json")
@debug_option
@click.pass_context
def render(ctx: click.Context, /, form: str, *, present: bool, **options: Any) -> None:
    """Print what starts a plan: Deployments or LeaderWorkerSets, Services, an HTTPRoute.

    Plans the requests as `plan` does, and renders the plans; nothing is read from or written to a cluster unless
    --from-cluster is given, which reads. All requests are rendered or none: a plan that could not start is refused
    with one line that says what to change. --image and what follows it win over spec.render of the requests.
    """
    from placewright.cli import emit  # noqa: PLC0415 - --help needs none of it

    choices = _choices_of(options)
    given = asked(options)
    if present:
        _plans_nothing(given)
    if given.config_dir is not None:
        raise click.UsageError("--config-dir names no model that could be served; render wants -f or --from-cluster")
    lines, code, objects = _rendered(given, choices, present=present)
    for line in lines:
        click.echo(f"error: {line}", err=True)
    if not lines:
        if form == "json":
            emit.data({"apiVersion": "v1", "kind": "List", "items": objects}, "json")
        else:
            _print_yaml(objects)
    ctx.exit(code)


def _plans_nothing(given: Asked) -> None:
    """Options on planning are out of place where nothing is planned."""
    planning = {
        "--keep-present": given.keep_present,
        "--method": given.method,
        "--cost-weight": given.cost_weight is not None,
        "--min-throughput": given.min_throughput,
        "--target-cost": given.target_cost,
        "--budgets": given.budgets,
        "--time-limit": given.time_limit,
    }
    for name, value in planning.items():
        if value:
            raise click.UsageError(f"{name} is about planning, and --present plans nothing")


def _rendered(given: Asked, choices: "Choices", *, present: bool) -> "tuple[list[str], int, list[Manifest]]":
    """Errors, the exit code, and the objects of all requests in the order of the files."""
    from placewright.cli import emit  # noqa: PLC0415 - --help needs none of it
    from placewright.kube.manifests import RenderRefusedError, settings_of  # noqa: PLC0415
    from placewright.kube.manifests import render as objects_of  # noqa: PLC0415

    scene = given.scene()
    inputs = given.inputs(scene)
    emit.notes(inputs.notes)
    own = {asking.key: asking.resource.spec.render for asking in scene.requests}
    works = _present_works(inputs.jobs, scene.pools) if present else _planned_works(inputs, scene.pools)
    lines: list[str] = []
    codes: list[int] = []
    objects: list[Manifest] = []
    for job, work, fault, code in works:
        if work is None:
            codes.append(code)
            if fault:
                lines.append(f"{job.title}: {fault}")
            continue
        try:
            objects += objects_of(work, settings_of(own.get((job.namespace, job.name)), choices))
        except RenderRefusedError as error:
            codes.append(exits.BAD_INPUT if work.approved else exits.GATE_BLOCKS)
            lines.append(f"{job.title}: {error}")
    return lines, exits.worst(codes), objects


_Row = tuple["Job", "Work | None", str, int]


def _planned_works(inputs: Any, pools: Iterable[Any]) -> list[_Row]:
    """Decide, and give each plan as it is rendered; without one why there is none, and the exit code."""
    from placewright.cli import planning  # noqa: PLC0415 - --help needs none of it

    answer = planning.answer(inputs)
    return [_row(answer, result, tuple(pools)) for result in answer.results]


def _row(answer: "Answer", result: "Planned", pools: tuple[Any, ...]) -> _Row:
    from placewright.kube.manifests import of_decision, sites_of  # noqa: PLC0415 - --help needs none of it

    job, decision = result.job, result.decision
    if job.refusal is not None:
        return job, None, str(job.refusal.error), result.exit_code
    if decision is None or job.request is None:
        return job, None, "", _suspended(job)
    plan = decision.plan
    if plan is None:
        return job, None, _no_plan(result), result.exit_code
    assignments = answer.fleet.assignments if answer.fleet is not None else ()
    return job, of_decision(job.request, plan, sites_of(job.request, pools, assignments)), "", exits.PLANNED


def _no_plan(result: "Planned") -> str:
    decision = result.decision
    assert decision is not None
    why = decision.rejections[0].message if decision.rejections else "nothing was found in time"
    return f"there is no plan to render: {why}; placewright explain says more"


def _present_works(jobs: "Iterable[Job]", pools: Iterable[Any]) -> list[_Row]:
    """The plans that the statuses hold."""
    from placewright.kube.manifests import RenderRefusedError, of_status, sites_of  # noqa: PLC0415 - as above

    rows: list[_Row] = []
    listed = tuple(pools)
    for job in jobs:
        plan = (job.previous or {}).get("plan")
        if job.refusal is not None:
            rows.append((job, None, str(job.refusal.error), job.refusal.exit_code))
        elif job.request is None:
            rows.append((job, None, "", _suspended(job)))
        elif not plan:
            fault = (
                "the status holds no plan: take the object from its cluster (kubectl get -o yaml), or leave --present"
            )
            rows.append((job, None, fault, exits.BAD_INPUT))
        else:
            try:
                rows.append((job, of_status(job.request, plan, sites_of(job.request, listed)), "", exits.PLANNED))
            except RenderRefusedError as error:
                rows.append((job, None, str(error), exits.BAD_INPUT))
    return rows


def _suspended(job: "Job") -> int:
    from placewright.cli import emit  # noqa: PLC0415 - --help needs none of it

    emit.notes([f"{job.title} is suspended: nothing is rendered for it"])
    return exits.PLANNED


def _choices_of(options: dict[str, Any]) -> "Choices":
    """Read the options of this command, and take them out."""
    from placewright.kube.manifests import Choices  # noqa: PLC0415 - --help needs none of it

    token, claim, image = options.pop("token_secret"), options.pop("cache_claim"), options.pop("image")
    secret, _, key = token.partition("/")
    start_within = options.pop("start_within")
    return Choices(
        image=_image(image) if image else "",
        runtime=options.pop("runtime"),
        models=_models(options.pop("models")),
        cache_claim=_name(claim, "--cache-claim") if claim else "",
        token=(_name(secret, "--token-secret"), _key(key) if key else "token") if token else None,
        start_seconds=float(math.ceil(start_within)) if start_within is not None else None,
        route=_route(options.pop("gateway"), options.pop("hostnames"), options.pop("backends")),
    )


def _route(gateway: str | None, hostnames: tuple[str, ...], backends: str | None) -> "Route | None":
    from placewright.kube.manifests import Route  # noqa: PLC0415 - --help needs none of it

    if gateway is None:
        if hostnames or backends:
            raise click.UsageError(f"{'--hostname' if hostnames else '--backends'} wants --route")
        return None
    namespace, _, name = gateway.rpartition("/")
    return Route(
        gateway=_name(name, "--route"),
        gateway_namespace=_name(namespace, "--route") if namespace else "",
        hostnames=tuple(_hostname(each) for each in hostnames),
        inference_pools=backends == "inference-pools",
    )


def _models(given: tuple[str, ...]) -> dict[str, str]:
    from placewright.kube.manifests import EVERY_PRECISION  # noqa: PLC0415 - --help needs none of it

    found: dict[str, str] = {}
    for text in given:
        precision, equals, name = text.partition("=")
        precision, name = (precision, name) if equals and precision in _PRECISIONS else (EVERY_PRECISION, text)
        if not name:
            raise click.UsageError(f"--model: got {text!r}, wants a repository or a path")
        if precision in found:
            raise click.UsageError(f"--model: got two for {precision or 'all precisions'}, wants one")
        found[precision] = name
    return found


def _name(text: str, option: str) -> str:
    """A name of Kubernetes."""
    from placewright.api.base import SUBDOMAIN_PATTERN  # noqa: PLC0415 - --help needs none of it

    return _matching(text, option, SUBDOMAIN_PATTERN)


def _key(text: str) -> str:
    from placewright.api.base import DATA_KEY_PATTERN  # noqa: PLC0415 - as above

    return _matching(text, "--token-secret", DATA_KEY_PATTERN)


def _hostname(text: str) -> str:
    from placewright.api.base import HOSTNAME_PATTERN  # noqa: PLC0415 - as above

    return _matching(text, "--hostname", HOSTNAME_PATTERN)


def _image(text: str) -> str:
    from placewright.api.base import IMAGE_PATTERN  # noqa: PLC0415 - as above

    return _matching(text, "--image", IMAGE_PATTERN)


def _matching(text: str, option: str, pattern: str) -> str:
    import re  # noqa: PLC0415 - --help needs none of it

    from placewright.api.base import PATTERN_WORDS  # noqa: PLC0415

    if len(text) > _LONGEST or re.fullmatch(pattern.strip("^$"), text) is None:
        raise click.UsageError(f"{option}: got {text!r}, wants {PATTERN_WORDS[pattern]}")
    return text


def _print_yaml(objects: "list[Manifest]") -> None:
    import yaml  # noqa: PLC0415 - --help needs no YAML

    # An object that stands at two places is written out at both: readers of GitOps files know no anchors.
    dumper = type("Plain", (yaml.SafeDumper,), {"ignore_aliases": lambda *_: True})
    text = yaml.dump_all(objects, Dumper=dumper, explicit_start=True, sort_keys=False, allow_unicode=True, width=120)
    click.echo(text if objects else "", nl=False)
