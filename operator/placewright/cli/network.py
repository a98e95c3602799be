"""`placewright network`."""

from pathlib import Path
from typing import Any

import click

from placewright.cli.lazy import debug_option

_HELP = """Write a network_bandwidth.csv from rates inside and between pools, in GB/s.

\b
placewright network generate --config-dir DIR --default 25 --within A100=300
placewright network generate --pool A100=8 --pool V100=4 \\
    --default-within 300 --between A100:V100=12.5 -o network_bandwidth.csv
"""


class Assigned(click.ParamType[tuple[str, float]]):
    """NAME=NUMBER."""

    name = "NAME=GBPS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Read the pair."""
        name, _, number = (part.strip() for part in str(value).rpartition("="))
        try:
            return self._named(name, number)
        except ValueError:
            self.fail(f"got {value!r}, wants NAME=NUMBER such as A100=8", param, ctx)

    @staticmethod
    def _named(name: str, number: str) -> tuple[str, float]:
        if not name:
            raise ValueError(name)
        return name, float(number)


def _once(ctx: click.Context, param: click.Parameter, pairs: tuple[tuple[str, float], ...]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, number in pairs:
        if name in found:
            raise click.BadParameter(f"got {name!r} twice, wants each once", ctx=ctx, param=param)
        found[name] = number
    return found


def _counts(ctx: click.Context, param: click.Parameter, pairs: tuple[tuple[str, float], ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, number in _once(ctx, param, pairs).items():
        if not number.is_integer() or number < 0:
            raise click.BadParameter(f"got {name}={number:g}, wants a whole number of GPUs", ctx=ctx, param=param)
        found[name] = int(number)
    return found


def _links(
    ctx: click.Context, param: click.Parameter, pairs: tuple[tuple[str, float], ...]
) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for names, number in _once(ctx, param, pairs).items():
        source, colon, target = (part.strip() for part in names.partition(":"))
        if not colon or not source or not target or source == target:
            raise click.BadParameter(f"got {names!r}, wants FROM:TO of two pools", ctx=ctx, param=param)
        found[source, target] = number
    return found


@click.group(short_help="Make files of the config-dir format.")
def network() -> None:
    """Make files of the config-dir format."""


@network.command(short_help="Write a network_bandwidth.csv.", help=_HELP)
@click.option("--config-dir", metavar="DIR", help="Take the pools from this folder's gpu_pool.csv.")
@click.option(
    "--pool", "pools", type=Assigned(), metavar="NAME=GPUS", multiple=True, callback=_counts, help="A pool; repeat."
)
@click.option("--within", type=Assigned(), multiple=True, callback=_once, help="Rate between two GPUs of a pool.")
@click.option(
    "--between",
    type=Assigned(),
    metavar="FROM:TO=GBPS",
    multiple=True,
    callback=_links,
    help="Rate from one pool to another; holds for both directions unless the other is given too.",
)
@click.option("--default", type=float, metavar="GBPS", help="Every rate that no other option names.")
@click.option("--default-within", type=float, metavar="GBPS", help="Rate within pools that --within does not name.")
@click.option("--default-between", type=float, metavar="GBPS", help="Rate between pools that --between does not name.")
@click.option("-o", "--output", metavar="FILE", help="Write this file instead of standard output.")
@debug_option
def generate(
    config_dir: str | None,
    pools: dict[str, int],
    within: dict[str, float],
    between: dict[tuple[str, str], float],
    default: float | None,
    default_within: float | None,
    default_between: float | None,
    output: str | None,
) -> None:
    """Write a network_bandwidth.csv."""
    if bool(pools) == (config_dir is not None):
        got = "both --pool and --config-dir" if pools else "neither --pool nor --config-dir"
        raise click.UsageError(f"got {got}, wants one of them")
    from placewright.cli.streams import write_file  # noqa: PLC0415 - --help needs none of it
    from placewright.configdir.network import generate_network, gpu_labels, network_csv  # noqa: PLC0415
    from placewright.configdir.pools import read_pool_counts  # noqa: PLC0415

    counts = read_pool_counts(Path(config_dir) / "gpu_pool.csv") if config_dir is not None else pools
    matrix = generate_network(
        counts,
        within=within,
        between=between,
        default_within=default if default_within is None else default_within,
        default_between=default if default_between is None else default_between,
    )
    lines = network_csv(matrix, gpu_labels(counts))
    if output is None:
        for line in lines:
            click.echo(line, nl=False)
    else:
        write_file(Path(output), "".join(lines))
