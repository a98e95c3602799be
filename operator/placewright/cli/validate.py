"""`placewright validate`."""

import json

import click

from placewright.cli import exits
from placewright.cli.decorate import form_option
from placewright.cli.lazy import debug_option
from placewright.cli.options import POOLS_OPTION


@click.command(short_help="Check files against schema and rules.")
@click.option(
    "-f",
    "--filename",
    "filenames",
    metavar="FILE",
    multiple=True,
    required=True,
    help="File or folder with PlacementRequests, GPUPools, PlacementPolicies, PerformanceProfiles, - for stdin; may be"
    " repeated. Other kinds are skipped.",
)
@POOLS_OPTION
@form_option("text", "json")
@debug_option
@click.pass_context
def validate(ctx: click.Context, /, filenames: tuple[str, ...], pools: tuple[str, ...], form: str) -> None:
    """Check objects of all kinds without a cluster: schema, CEL rules, unknown fields, and the built-in catalog.

    Says what the API server and the operator would say. Exits with 0 when all is well and with 2 when not.
    """
    from placewright.cli import emit  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.faults import FaultsError  # noqa: PLC0415
    from placewright.cli.reader import Reader, place_of  # noqa: PLC0415

    reader = Reader(pools)
    reader.read(filenames)
    reader.want_objects(", ".join(filenames))
    emit.notes(reader.notes())
    faults = FaultsError([*reader.faults, *reader.refused(), *reader.repeated()])
    if form == "json":
        found = {
            "valid": not faults.lines,
            "requests": len(reader.requests),
            "others": len(reader.objects),
            "faults": list(faults.lines),
        }
        click.echo(json.dumps(found, indent=2))
        ctx.exit(exits.BAD_INPUT if faults.lines else exits.PLANNED)
    if faults.lines:
        raise faults
    for entry in reader.found:
        kind = entry.resource.kind
        name = entry.resource.metadata.name
        click.echo(f"{place_of(entry.document)}: {name if kind == 'PlacementRequest' else f'{kind} {name}'} is valid")
