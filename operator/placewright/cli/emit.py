"""Results as JSON or YAML, and notes."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import click


def data(value: Mapping[str, Any], form: str) -> None:
    """Print data as json or yaml."""
    if form == "json":
        click.echo(json.dumps(value, indent=2, allow_nan=False))
        return
    import yaml  # noqa: PLC0415 - --help needs no YAML

    click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120), nl=False)


def notes(lines: Iterable[str]) -> None:
    """Print notes on standard error, so that standard output stays what was asked for."""
    for line in lines:
        click.echo(f"note: {line}", err=True)
