"""`placewright crds`."""

from pathlib import Path

import click

from placewright.cli.lazy import debug_option


@click.command(short_help="Print the custom resource definitions.")
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write one file for each definition into this folder instead.",
)
@debug_option
def crds(output_dir: Path | None) -> None:
    """Print the custom resource definitions, ready for `kubectl apply -f -`."""
    from placewright.api.crd import render_all  # noqa: PLC0415 - --help needs no pydantic
    from placewright.cli import streams  # noqa: PLC0415

    rendered = render_all()
    if output_dir is None:
        click.echo("---\n".join(rendered.values()), nl=False)
        return
    output_dir.mkdir(parents=True, exist_ok=True)
    for name, content in rendered.items():
        streams.write_file(output_dir / name, content)
