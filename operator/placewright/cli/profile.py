"""`placewright profile`."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from placewright.cli.decorate import form_option
from placewright.cli.lazy import debug_option

if TYPE_CHECKING:
    from placewright.core.performance.calibration import Errors, FitResult, GroupError


@click.group(short_help="Fit the performance model to data.")
def profile() -> None:
    """Fit the performance model to data."""


@profile.command(short_help="Fit the analytic model to measured rows.")
@click.option("--data", metavar="FILE", required=True, help="CSV file with measured rows of served models.")
@form_option(
    "table",
    "json",
    "python",
    about="Errors as a table, everything as json, or the coefficients as the Python module that is committed.",
)
@click.option(
    "--source", metavar="TEXT", help="With -o python: what was measured, by whom.  [default: the file's name]"
)
@click.option(
    "--date",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="With -o python: date of the fit.  [default: today]",
)
@debug_option
def fit(data: str, form: str, source: str | None, date: datetime | None) -> None:
    """Fit the analytic model to measured rows and say how far it is off where it was not fitted.

    Errors are mean absolute percentage errors: in sample, in five folds, and with each whole group of model, GPU and
    backend left out.
    """
    from placewright.catalog.silicon import read_silicon  # noqa: PLC0415 - --help needs none of it
    from placewright.cli import extras  # noqa: PLC0415
    from placewright.cli.faults import Fault, FaultsError  # noqa: PLC0415
    from placewright.core.performance.calibration import render_coefficients  # noqa: PLC0415
    from placewright.core.performance.fit import FitError  # noqa: PLC0415
    from placewright.core.performance.fit import fit as fit_rows  # noqa: PLC0415

    extras.load("scipy", extra="fit", what="profile fit")
    rows = read_silicon(Path(data))
    try:
        result = fit_rows(rows)
    except FitError as error:
        raise FaultsError([Fault(place=data, got=str(error), wants="more measured rows")]) from None
    if form == "json":
        click.echo(json.dumps(asdict(result), indent=2))
    elif form == "python":
        day = (date or datetime.now(tz=UTC)).date().isoformat()
        click.echo(render_coefficients(result, date=day, source=source or Path(data).name), nl=False)
    else:
        _show(result)


def _show(result: "FitResult") -> None:
    """Write errors per group for TPOT and TTFT, and the coefficients."""
    from placewright.cli.screen import Column, Field, open_screen  # noqa: PLC0415 - --help needs none of it

    screen = open_screen()
    screen.title("Fit of the analytic model")
    used = result.rows - result.queueing_rows
    screen.fields(
        [Field("rows", f"{used} of {result.rows}; {result.queueing_rows} left out: their TTFT shows a queue")]
    )
    columns = [
        Column("model"),
        Column("GPU"),
        Column("backend"),
        Column("rows", "number"),
        Column("in sample %", "number"),
        Column("5-fold %", "number"),
        Column("left out %", "number"),
    ]
    for name, errors in (("TPOT", result.tpot), ("TTFT", result.ttft)):
        screen.blank()
        screen.text(f"Mean absolute error of {name}")
        lines = [
            [group.model, group.gpu, group.backend, str(group.rows), *_percentages(group)] for group in errors.groups
        ]
        lines.append(["all", "", "", str(errors.rows), *_percentages(errors)])
        screen.table(columns, lines)
    screen.blank()
    screen.text("Coefficients")
    used_values = result.coefficients
    screen.fields(
        [Field(f"step {name}", f"{value:.6g}") for name, value in used_values.step.items()]
        + [Field(f"step factor of {name}", f"{value:.6g}") for name, value in used_values.step_backend.items()]
        + [Field(f"first token {name}", f"{value:.6g}") for name, value in used_values.first_token.items()]
        + [
            Field("first token request_seconds", f"{used_values.first_token_request_seconds:.6g}"),
            Field("first token sequence_seconds", f"{used_values.first_token_sequence_seconds:.6g}"),
            Field("first token contention", f"{used_values.first_token_contention:.6g}"),
        ]
        + [Field(f"first token factor of {name}", f"{v:.6g}") for name, v in used_values.first_token_backend.items()]
    )


def _percentages(errors: "Errors | GroupError") -> list[str]:
    values = (errors.in_sample_percent, errors.five_fold_percent, errors.left_out_percent)
    return [f"{value:.2f}" for value in values]
