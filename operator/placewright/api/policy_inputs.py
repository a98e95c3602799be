"""Where a PlacementPolicy says that live figures are read, and which queries requests may bring themselves."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from placewright.api.base import ABSOLUTE_PATH_PATTERN, URL_PATTERN, Duration, Inert, rule, rules

FilePath = Annotated[str, Field(min_length=2, max_length=1024, pattern=ABSOLUTE_PATH_PATTERN)]
"""An absolute path in the operator's pod."""

RequestQueries = Literal["Forbidden", "OwnNamespace", "Any"]
"""Which queries of a request are asked, strictest first."""

# The token of the operator's own ServiceAccount may do what the operator may: no policy sends it to an address.
# Nor is one of those sent that clouds mount for it. Links are followed where the file is read.
_OWN_TOKENS: Final = (
    "/proc/",
    *(
        f"{folder}/secrets/{name}/"
        for folder in ("/var/run", "/run")
        for name in ("kubernetes.io", "eks.amazonaws.com", "azure")
    ),
)


class PrometheusServer(Inert):
    """A server that answers Prometheus' HTTP API: Prometheus, Thanos, Mimir, VictoriaMetrics."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.tokenFile) ? !self.tokenFile.contains('..') && !self.tokenFile.contains('//')"
                " && !self.tokenFile.contains('/./')"
                + "".join(f" && !self.tokenFile.startsWith('{path}')" for path in _OWN_TOKENS)
                + " : true",
                "wants a mounted file, without .. in its path, and not the token of the operator's ServiceAccount,"
                " which only the option --prometheus-token-file may send",
                field_path=".tokenFile",
            ),
            rule(
                "has(self.timeout) ? duration(self.timeout) <= duration('1m') : true",
                "wants at most 1m",
                field_path=".timeout",
            ),
        )
    )

    url: Annotated[str, Field(min_length=8, max_length=1024, pattern=URL_PATTERN)]
    """Address of the server, such as http://prometheus.monitoring:9090, with a path where it has one before /api/v1."""
    token_file: FilePath | None = None
    """File in the operator's pod with a bearer token; read again when it changes. No token is sent when left out."""
    ca_file: FilePath | None = None
    """File in the operator's pod with the certificates that an https address is checked with; the system's own when
    left out."""
    timeout: Duration = "10s"
    """Longest time of one query."""


class PolicyInputs(Inert):
    """Where live figures are read, how old they may be, and which queries requests may bring themselves."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.maxAge)"
                " ? duration(self.maxAge) >= duration('1s') && duration(self.maxAge) <= duration('24h') : true",
                "wants 1s to 24h",
                field_path=".maxAge",
            )
        )
    )

    prometheus: PrometheusServer | None = None
    """The Prometheus server that live figures are read from, in place of the operator's option --prometheus-url. Of
    several policies the first by name that has one counts."""
    request_queries: RequestQueries | None = None
    """Which queries of requests (workload.demandFrom.prometheusQuery, gates.revenuePerHourQuery) are asked. Forbidden:
    none. OwnNamespace: each selector of the query gets the matcher namespace="<namespace of the request>". Any: as they
    stand, so that a request reads whatever the server has. The strictest of all policies counts; Forbidden when no
    policy says anything. Presets are always asked."""
    max_age: Duration | None = None
    """Oldest live figure that counts; 5m when left out. The shortest of all policies counts."""
