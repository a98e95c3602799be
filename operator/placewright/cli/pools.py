"""`placewright pools`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from placewright.cli.decorate import form_option
from placewright.cli.lazy import debug_option
from placewright.cli.options import POOLS_OPTION, cluster_options

if TYPE_CHECKING:
    from placewright.cli.scene import Scene


@click.command(short_help="Show shared pools: GPUs, prices, what a node is worth.")
@click.option(
    "-f",
    "--filename",
    "filenames",
    metavar="FILE",
    multiple=True,
    help="File or folder with GPUPools, their Nodes and Pods, PlacementPolicies and PlacementRequests, - for stdin; may"
    " be repeated.",
)
@POOLS_OPTION
@click.option(
    "-n", "--namespace", metavar="NAME", help="Namespace of requests whose file names none.  [default: default]"
)
@cluster_options
@form_option("table", "json", "yaml")
@debug_option
@click.pass_context
def pools(ctx: click.Context, /, form: str, **options: Any) -> None:
    """Show what each GPUPool has: GPUs, used and free ones, price with source and age, Nodes left out and why.

    With requests in the files or the cluster, the plans that would be decided now say what is used and what one more
    node is worth. Exits with 0 also when a pool cannot be used; its condition says why.
    """
    from placewright.cli import emit, planning, pool_view  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.inputs import to_inputs  # noqa: PLC0415
    from placewright.cli.screen import open_screen  # noqa: PLC0415

    now = datetime.now(tz=UTC)
    scene = _scene(**options)
    inputs = to_inputs(scene, now=now, keep_present=options["from_cluster"])
    emit.notes(scene.notes)  # what is wrong with a pool is shown with it
    shown = pool_view.rows(planning.answer(inputs), now=now)
    if form == "table":
        pool_view.show(open_screen(), shown)
    else:
        emit.data(pool_view.data(shown), form)
    ctx.exit(0)


def _scene(
    *,
    filenames: tuple[str, ...],
    pools: tuple[str, ...],
    namespace: str | None,
    from_cluster: bool,
    kubeconfig: str | None,
    context: str | None,
) -> "Scene":
    """Read files and the cluster."""
    from placewright.cli.reader import Reader  # noqa: PLC0415 - --help needs none of it

    if not filenames and not pools and not from_cluster:
        raise click.UsageError("got neither -f nor --from-cluster, wants one of them")
    if not from_cluster and (kubeconfig or context):
        raise click.UsageError(f"{'--kubeconfig' if kubeconfig else '--context'} wants --from-cluster")
    reader = Reader(pools)
    reader.read(filenames)
    if not from_cluster:
        reader.want_pools(", ".join((*filenames, *pools)))
        return reader.scene(namespace)
    from placewright.cli.cluster import read_cluster  # noqa: PLC0415 - --help needs no client

    over = reader.scene(namespace, alone=False)
    return read_cluster(kubeconfig, context).under(over)
