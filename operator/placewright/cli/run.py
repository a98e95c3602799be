"""`placewright run`: the operator."""

import asyncio
import logging
from typing import Any

import click

from placewright.cli import run_options

DEFAULT_METRICS_ADDRESS = "0.0.0.0:8080"
DEFAULT_PRICE_DIR = "/etc/placewright/prices"


@click.command()
@click.option(
    "-n",
    "--namespace",
    "namespaces",
    multiple=True,
    envvar="PLACEWRIGHT_NAMESPACES",
    help="Serve only this namespace; repeatable. Default: all namespaces.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(),
    help="Credentials. Default: $KUBECONFIG, then the pod's ServiceAccount, then ~/.kube/config.",
)
@click.option("--context", help="Context of the kubeconfig. Default: its current one.")
@click.option(
    "--metrics-address",
    default=DEFAULT_METRICS_ADDRESS,
    show_default=True,
    metavar="HOST:PORT",
    envvar="PLACEWRIGHT_METRICS_ADDRESS",
    help="Serves /healthz, /readyz and /metrics. Port 0 takes a free one and logs it.",
)
@click.option(
    "--solver-processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    envvar="PLACEWRIGHT_SOLVER_PROCESSES",
    help="How many requests are solved at once.",
)
@click.option(
    "--solver-memory-mib",
    type=click.IntRange(0),
    default=2048,
    show_default=True,
    envvar="PLACEWRIGHT_SOLVER_MEMORY_MIB",
    help="Private memory of each solver process; a solve that needs more fails alone. 0: no limit.",
)
@click.option(
    "--solver-grace",
    "solver_grace_seconds",
    type=click.FloatRange(0.1),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    envvar="PLACEWRIGHT_SOLVER_GRACE",
    help="A solve is killed this long after its own spec.solver.timeLimit.",
)
@click.option(
    "--resync",
    "resync_seconds",
    type=click.FloatRange(1.0),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    envvar="PLACEWRIGHT_RESYNC",
    help="Between two full LISTs, which find what a gap in the watch lost.",
)
@click.option(
    "--fleet-debounce",
    "fleet_debounce_seconds",
    type=click.FloatRange(0.0, 60.0),
    default=0.5,
    show_default=True,
    metavar="SECONDS",
    envvar="PLACEWRIGHT_FLEET_DEBOUNCE",
    help="How long a change of shared pools or their requests waits for more, to be planned together.",
)
@click.option(
    "--own-namespace",
    metavar="NAME",
    default="",
    envvar="POD_NAMESPACE",
    help="Where the operator runs, the only namespace whose ConfigMaps price sources read. Without it they read none.",
)
@click.option(
    "--price-dir",
    type=click.Path(),
    default=DEFAULT_PRICE_DIR,
    show_default=True,
    envvar="PLACEWRIGHT_PRICE_DIR",
    help="Price sources read files of this folder and no others.",
)
@run_options.live_inputs
@run_options.acting
@run_options.audit
@click.option(
    "--log-format",
    type=click.Choice(["json", "text"]),
    default="json",
    show_default=True,
    envvar="PLACEWRIGHT_LOG_FORMAT",
    help="One JSON object a line, or plain text.",
)
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]),
    default="INFO",
    show_default=True,
    envvar="PLACEWRIGHT_LOG_LEVEL",
    help="Least level that is logged.",
)
def run(*, namespaces: tuple[str, ...], log_format: str, log_level: str, **told: Any) -> None:
    """Run the operator: decide each PlacementRequest and write its plan and proof into its status.

    Without a cluster's CustomResourceDefinition it waits and says so on /readyz. State lives in the cluster, and a
    restart with nothing changed writes nothing; only an audit journal is kept on disk, where one is asked for.
    """
    # Imported late, so that --help of any command stays quick.
    from placewright.core.errors import InvalidRequestError, PlacewrightError  # noqa: PLC0415
    from placewright.handlers.operator import run_operator  # noqa: PLC0415
    from placewright.handlers.options import OperatorOptions  # noqa: PLC0415
    from placewright.kube.access import CredentialsError  # noqa: PLC0415
    from placewright.telemetry.logs import configure_logging  # noqa: PLC0415

    configure_logging(text=log_format == "text", level=log_level)
    if told["apply_namespaces"] and not told["apply"]:
        raise click.UsageError("--apply-namespace wants --apply")
    options = OperatorOptions(namespaces=tuple(dict.fromkeys(namespaces)), **told)
    try:
        asyncio.run(run_operator(options))
    except (PlacewrightError, OSError) as error:
        logging.getLogger("placewright").critical("the operator ends: %s", error)
        raise SystemExit(2 if isinstance(error, InvalidRequestError | CredentialsError) else 1) from None
