"""Options of `placewright run` about live inputs, acting and the audit trail. Secrets come by file or environment."""

from typing import Final

import click

from placewright.cli.decorate import Command, with_options

DEFAULT_RETENTION_DAYS = 365
_MOST_RETENTION_DAYS = 36_500


_LIVE_INPUTS: Final = (
    click.option(
        "--prometheus-url",
        metavar="URL",
        envvar="PLACEWRIGHT_PROMETHEUS_URL",
        help="Prometheus for live demand, revenue and served tokens. A PlacementPolicy that names one wins.",
    ),
    click.option(
        "--prometheus-token-file",
        type=click.Path(),
        envvar="PLACEWRIGHT_PROMETHEUS_TOKEN_FILE",
        help="Its bearer token; read again when the file changes.",
    ),
    click.option(
        "--prometheus-ca-file",
        type=click.Path(),
        envvar="PLACEWRIGHT_PROMETHEUS_CA_FILE",
        help="Certificates that its own is checked with. Default: the system's.",
    ),
    click.option(
        "--prometheus-timeout",
        "prometheus_timeout_seconds",
        type=click.FloatRange(0.1, 60.0),
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        envvar="PLACEWRIGHT_PROMETHEUS_TIMEOUT",
        help="Longest time of one query.",
    ),
    click.option(
        "--inputs-interval",
        "inputs_interval_seconds",
        type=click.FloatRange(0.2, 3600.0),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        envvar="PLACEWRIGHT_INPUTS_INTERVAL",
        help="Between two readings of live figures, and two looks at ramps.",
    ),
)


def live_inputs(command: Command) -> Command:
    """Where live figures are read, and how often."""
    return with_options(command, _LIVE_INPUTS)


_ACTING: Final = (
    click.option(
        "--apply",
        is_flag=True,
        envvar="PLACEWRIGHT_APPLY",
        help="Let requests with mode Apply drive their workloads. Default: only recommend and report.",
    ),
    click.option(
        "--apply-namespace",
        "apply_namespaces",
        metavar="NAME",
        multiple=True,
        envvar="PLACEWRIGHT_APPLY_NAMESPACES",
        help="With --apply: act in this namespace only; repeatable. Default: in all that are served.",
    ),
    click.option(
        "--act-interval",
        "act_interval_seconds",
        type=click.FloatRange(0.2, 3600.0),
        default=5.0,
        show_default=True,
        metavar="SECONDS",
        envvar="PLACEWRIGHT_ACT_INTERVAL",
        help="Between two looks at what runs and what idles; changes are looked at sooner.",
    ),
)


def acting(command: Command) -> Command:
    """Whether workloads may be changed, where, and how often they are looked at."""
    return with_options(command, _ACTING)


_AUDIT: Final = (
    click.option(
        "--audit-dir",
        type=click.Path(),
        envvar="PLACEWRIGHT_AUDIT_DIR",
        help="Keep the audit journal in this folder. Default: keep none.",
    ),
    click.option(
        "--audit-stdout",
        is_flag=True,
        envvar="PLACEWRIGHT_AUDIT_STDOUT",
        help="Write audit records to standard output too, one JSON object a line.",
    ),
    click.option(
        "--audit-s3-bucket",
        metavar="NAME",
        envvar="PLACEWRIGHT_AUDIT_S3_BUCKET",
        help="Send the journal to this bucket, which must have object lock. Credentials as AWS's tools do.",
    ),
    click.option(
        "--audit-s3-endpoint",
        metavar="URL",
        envvar="PLACEWRIGHT_AUDIT_S3_ENDPOINT",
        help="Server of the bucket. Default: AWS.",
    ),
    click.option(
        "--audit-s3-prefix",
        metavar="TEXT",
        default="",
        envvar="PLACEWRIGHT_AUDIT_S3_PREFIX",
        help="Of all keys in the bucket.",
    ),
    click.option(
        "--audit-retention-days",
        type=click.IntRange(1, _MOST_RETENTION_DAYS),
        default=DEFAULT_RETENTION_DAYS,
        show_default=True,
        envvar="PLACEWRIGHT_AUDIT_RETENTION_DAYS",
        help="How long nobody can delete what is in the bucket.",
    ),
)


def audit(command: Command) -> Command:
    """Where the audit trail is kept and sent."""
    return with_options(command, _AUDIT)
