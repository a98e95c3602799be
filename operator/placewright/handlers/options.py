"""What the operator can be told; every option has a safe default."""

from dataclasses import dataclass

DEFAULT_METRICS_ADDRESS = "0.0.0.0:8080"
DEFAULT_PRICE_DIR = "/etc/placewright/prices"
DEFAULT_RETENTION_DAYS = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorOptions:
    """Options of `placewright run`.

    Attributes:
        namespaces: only these; empty: all.
        kubeconfig: file with credentials; None: $KUBECONFIG, the pod's ServiceAccount, ~/.kube/config.
        context: of the kubeconfig; None: its current one.
        metrics_address: HOST:PORT of /healthz, /readyz and /metrics; port 0 takes a free one.
        solver_processes: solves at once.
        solver_memory_mib: private memory of each solver process; 0: no limit.
        solver_grace_seconds: beyond a request's own time limit before its process is killed.
        resync_seconds: between two full LISTs.
        debounce_seconds: how long a changed request waits for more changes.
        fleet_debounce_seconds: how long a change of the fleet or its pools waits for more changes.
        parallel_writes: status writes at once.
        own_namespace: where the operator runs, and the only namespace whose ConfigMaps are read for prices; empty: not
            known, so that none is read.
        price_dir: folder whose files are read for prices, and no others.
        drain_seconds: on SIGTERM, how long decisions under way may take to be written.
        prometheus_url: where live figures are read; None: where a PlacementPolicy says, or nowhere.
        prometheus_token_file: holds the bearer token for it; None: none is sent.
        prometheus_ca_file: authorities that sign its certificate; None: the system's.
        prometheus_timeout_seconds: of one query.
        inputs_interval_seconds: between two readings of live figures.
        apply: whether workloads may be changed: requests in mode Apply are rolled out, idle ones reaped.
        apply_namespaces: only in these; empty: in all that are served.
        act_interval_seconds: between two looks at what runs and what idles, where nothing changes.
        audit_dir: of the audit journal; None: none is kept.
        audit_stdout: whether records go to standard output too.
        audit_s3_bucket: gets the journal too; None: no bucket.
        audit_s3_endpoint: of another server than AWS; None: AWS.
        audit_s3_prefix: of all keys in the bucket.
        audit_retention_days: how long what is in the bucket is locked.
    """

    namespaces: tuple[str, ...] = ()
    kubeconfig: str | None = None
    context: str | None = None
    metrics_address: str = DEFAULT_METRICS_ADDRESS
    solver_processes: int = 1
    solver_memory_mib: int = 2048
    solver_grace_seconds: float = 5.0
    resync_seconds: float = 120.0
    debounce_seconds: float = 0.05
    fleet_debounce_seconds: float = 0.5
    parallel_writes: int = 16
    own_namespace: str = ""
    price_dir: str = DEFAULT_PRICE_DIR
    drain_seconds: float = 5.0
    prometheus_url: str | None = None
    prometheus_token_file: str | None = None
    prometheus_ca_file: str | None = None
    prometheus_timeout_seconds: float = 10.0
    inputs_interval_seconds: float = 30.0
    apply: bool = False
    apply_namespaces: tuple[str, ...] = ()
    act_interval_seconds: float = 5.0
    audit_dir: str | None = None
    audit_stdout: bool = False
    audit_s3_bucket: str | None = None
    audit_s3_endpoint: str | None = None
    audit_s3_prefix: str = ""
    audit_retention_days: int = DEFAULT_RETENTION_DAYS
