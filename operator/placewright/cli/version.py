"""`placewright version`."""

import json

import click

from placewright import __version__
from placewright.cli.decorate import form_option
from placewright.cli.lazy import debug_option


@click.command(short_help="Print the version.")
@form_option("text", "json")
@debug_option
def version(form: str) -> None:
    """Print the version, the version of the API and that of the built-in catalog."""
    from placewright.catalog.files import catalog_version  # noqa: PLC0415 - --help needs no catalog

    facts = {"version": __version__, "apiVersion": "placewright.dev/v1alpha1", "catalogVersion": catalog_version()}
    if form == "json":
        click.echo(json.dumps(facts, indent=2))
    else:
        click.echo("placewright {version} (API {apiVersion}, catalog {catalogVersion})".format_map(facts))
