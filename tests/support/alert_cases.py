"""For each alert of the chart: series that fire it, series that must not, and after how long.

Series of requests are written with `namespace` as the request's; a test renames it to what a scrape without
`honorLabels` gives.
"""

from dataclasses import dataclass

Series = tuple[str, str]  # selector, values in promtool's notation

CHAT = 'namespace="serving", name="chat"'
SELF = 'job="placewright", instance="a:8080"'
BUILD = ("placewright_build_info{" + SELF + "}", "1x300")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One alert.

    Attributes:
        alert: its name.
        fires: series with which it fires.
        quiet: each a set of series with which it does not.
        after: minutes after which it fires, and not one minute before.
        labels: of the firing alert, besides severity; `namespace` as in the series.
    """

    alert: str
    fires: tuple[Series, ...]
    quiet: tuple[tuple[Series, ...], ...]
    after: int
    labels: str


def _request(name: str, more: str = "") -> str:
    return f"placewright_{name}{{{CHAT}{', ' if more else ''}{more}}}"


def _own(name: str, more: str = "") -> str:
    return f"placewright_{name}{{{SELF}{', ' if more else ''}{more}}}"


def _applied(reason: str) -> str:
    return _request("request_status_condition", f'type="Applied", status="False", reason="{reason}"')


def _stalled(reason: str) -> str:
    return _request("request_status_condition", f'type="Stalled", status="True", reason="{reason}"')


CASES = (
    Case(alert="PlacewrightDown", fires=(), quiet=((BUILD,),), after=5, labels=""),
    Case(
        alert="PlacewrightStuck",
        fires=(
            (_own("reconcile_queue_depth"), "3x300"),
            (_own("status_writes_total", 'result="Written"'), "0+1x10 10x300"),
        ),
        quiet=(
            ((_own("reconcile_queue_depth"), "3x300"), (_own("status_writes_total", 'result="Written"'), "0+1x300")),
            ((_own("reconcile_queue_depth"), "0 0 0 0 0 0 0 0 3 3 3 3 3 0x300"),),
        ),
        after=29,  # the last write is at minute 10
        labels=SELF,
    ),
    Case(
        alert="PlacewrightWritesFail",
        fires=((_own("status_writes_total", 'result="Rejected"'), "0+1x300"),),
        quiet=(
            ((_own("status_writes_total", 'result="Written"'), "0+1x300"),),
            ((_own("status_writes_total", 'result="Failed"'), "0 1 1x300"),),
        ),
        after=16,
        labels=f'{SELF}, result="Rejected"',
    ),
    Case(
        alert="PlacewrightSolverFails",
        fires=((_own("solve_duration_seconds_count", 'method="Exact", result="SolverCrashed"'), "0 1x300"),),
        quiet=(((_own("solve_duration_seconds_count", 'method="Exact", result="Optimal"'), "0+1x300"),),),
        after=1,
        labels=f'{SELF}, method="Exact", result="SolverCrashed"',
    ),
    Case(
        alert="PlacewrightGateBlocked",
        fires=((_request("cost_gate_blocked", 'gate="CostPerHour"'), "1x300"),),
        quiet=(
            ((_request("cost_gate_blocked", 'gate="CostPerHour"'), "0x300"),),
            ((_request("cost_gate_blocked", 'gate="CostPerHour"'), "1x28 0 1x28 0x300"),),
        ),
        after=30,
        labels=f'{CHAT}, gate="CostPerHour"',
    ),
    Case(
        alert="PlacewrightGateUnknown",
        fires=((_request("gate_result", 'gate="CostToRevenueRatio", result="Unknown"'), "1x300"),),
        quiet=(
            ((_request("gate_result", 'gate="CostToRevenueRatio", result="Fail"'), "1x300"),),
            ((_request("gate_result", 'gate="CostToRevenueRatio", result="Unknown"'), "1x13 stale"),),
        ),
        after=15,
        labels=f'{CHAT}, gate="CostToRevenueRatio", result="Unknown"',
    ),
    Case(
        alert="PlacewrightInfeasible",
        fires=((_request("request_status_condition", 'type="Stalled", status="True", reason="Infeasible"'), "1x300"),),
        quiet=(
            ((_request("request_status_condition", 'type="Ready", status="True", reason="PlanCurrent"'), "1x300"),),
            ((_request("request_status_condition", 'type="Stalled", status="True", reason="GateBlocked"'), "1x300"),),
            ((_stalled("RenderRefused"), "1x300"), (_applied("RenderRefused"), "1x300")),
        ),
        after=15,
        labels=f'{CHAT}, type="Stalled", status="True", reason="Infeasible"',
    ),
    Case(
        alert="PlacewrightObservedCostHigh",
        fires=((_request("observed_cost_ratio"), "1.3x300"),),
        quiet=(((_request("observed_cost_ratio"), "1.2x300"),), ((_request("observed_cost_ratio"), "1.3x20 1x300"),)),
        after=30,
        labels=CHAT,
    ),
    Case(
        alert="PlacewrightFleetCeilingNear",
        fires=(('placewright_fleet_ceiling_usage_ratio{policy="default"}', "0.95x300"),),
        quiet=((('placewright_fleet_ceiling_usage_ratio{policy="default"}', "0.9x300"),),),
        after=30,
        labels='policy="default"',
    ),
    Case(
        alert="PlacewrightNamespaceCeilingNear",
        fires=(('placewright_namespace_ceiling_usage_ratio{namespace="serving", policy="default"}', "0.95x300"),),
        quiet=((('placewright_namespace_ceiling_usage_ratio{namespace="serving", policy="default"}', "0.5x300"),),),
        after=30,
        labels='namespace="serving", policy="default"',
    ),
    Case(
        alert="PlacewrightInputStale",
        fires=((_request("input_fresh", 'input="Demand"'), "0x300"),),
        quiet=(
            ((_request("input_fresh", 'input="Demand"'), "1x300"),),
            ((_request("input_fresh", 'input="Demand"'), "0x8 1 0x8 1x300"),),
            ((_request("input_fresh", 'input="Prices"'), "0x300"),),
        ),
        after=10,
        labels=f'{CHAT}, input="Demand"',
    ),
    Case(
        alert="PlacewrightPricesStale",
        fires=(('placewright_price_source_fresh{policy="default", source="opencost"}', "0x300"),),
        quiet=((('placewright_price_source_fresh{policy="default", source="opencost"}', "1x300"),),),
        after=30,
        labels='policy="default", source="opencost"',
    ),
    Case(
        alert="PlacewrightPriceHeldBack",
        fires=(('placewright_price_held_back{policy="default", source="opencost", gpu="H100"}', "1x300"),),
        quiet=((('placewright_price_held_back{policy="default", source="opencost", gpu="H100"}', "1x10 stale"),),),
        after=15,
        labels='policy="default", source="opencost", gpu="H100"',
    ),
    Case(
        alert="PlacewrightQueriesFail",
        fires=(
            (_own("prometheus_queries_total", 'result="Success"'), "0+1x300"),
            (_own("prometheus_queries_total", 'result="Timeout"'), "0+3x300"),
        ),
        quiet=(
            (
                (_own("prometheus_queries_total", 'result="Success"'), "0+3x300"),
                (_own("prometheus_queries_total", 'result="Timeout"'), "0+1x300"),
            ),
            (
                (_own("prometheus_queries_total", 'result="Success"'), "0x300"),
                (_own("prometheus_queries_total", 'result="Timeout"'), "0x300"),
            ),
        ),
        after=11,
        labels=SELF,
    ),
    Case(
        alert="PlacewrightRampHeld",
        fires=((_request("ramp_phase", 'phase="Holding"'), "1x300"),),
        quiet=(
            ((_request("ramp_phase", 'phase="Progressing"'), "1x300"),),
            ((_request("ramp_phase", 'phase="Completed"'), "1x300"),),
            ((_request("ramp_phase", 'phase="Holding"'), "1x110 stale"),),
        ),
        after=120,
        labels=f'{CHAT}, phase="Holding"',
    ),
    Case(
        alert="PlacewrightRampRolledBack",
        fires=((_request("ramp_phase", 'phase="RolledBack"'), "1x300"),),
        quiet=(((_request("ramp_phase", 'phase="Completed"'), "1x300"),),),
        after=0,
        labels=f'{CHAT}, phase="RolledBack"',
    ),
    Case(
        alert="PlacewrightRolloutFailed",
        fires=((_request("rollout_phase", 'phase="Failed"'), "1x300"),),
        quiet=(
            ((_request("rollout_phase", 'phase="Waiting"'), "1x300"),),
            ((_request("rollout_phase", 'phase="Progressing"'), "1x300"),),
        ),
        after=0,
        labels=f'{CHAT}, phase="Failed"',
    ),
    Case(
        alert="PlacewrightRolloutBrakeEngaged",
        fires=((_own("rollout_brake"), "1x300"),),
        quiet=(((_own("rollout_brake"), "0x300"),), ((_own("acting_paused"), "1x300"),)),
        after=0,
        labels=SELF,
    ),
    Case(
        alert="PlacewrightNotApplied",
        fires=((_applied("ReplicasOwned"), "1x300"), (_stalled("ReplicasOwned"), "1x300")),
        quiet=(
            ((_applied("Progressing"), "1x300"),),
            ((_applied("Paused"), "1x300"),),
            ((_applied("RolloutFailed"), "1x300"),),
            ((_applied("Denied"), "1x13 stale"),),
        ),
        after=15,
        labels=f'{CHAT}, type="Applied", status="False", reason="ReplicasOwned"',
    ),
    Case(
        alert="PlacewrightActingPaused",
        fires=((_own("acting_paused"), "1x300"), (_applied("Paused"), "1x300")),
        quiet=(
            ((_own("acting_paused"), "0x300"),),
            ((_own("acting_paused"), "1x230 0x300"),),
            ((_own("acting_paused"), "0x300"), (_applied("BrakeEngaged"), "1x300")),
        ),
        after=240,
        labels=SELF,
    ),
    Case(
        alert="PlacewrightActingPaused",
        fires=((_own("acting_paused"), "0x300"), (_applied("Paused"), "1x300")),
        quiet=(),
        after=240,
        labels=f'{CHAT}, type="Applied", status="False", reason="Paused"',
    ),
    Case(
        alert="PlacewrightIdleModelBurnsMoney",
        fires=((_request("idle_burn_usd_per_hour"), "4.8x300"), (_request("idle_state", 'state="Idle"'), "1x300")),
        quiet=(
            ((_request("idle_burn_usd_per_hour"), "1.2x300"), (_request("idle_state", 'state="Reaped"'), "1x300")),
            ((_request("idle_burn_usd_per_hour"), "0x300"), (_request("idle_state", 'state="Active"'), "1x300")),
            (
                (_request("idle_burn_usd_per_hour"), "4.8x300"),
                (_request("idle_state", 'state="Idle"'), "1x300"),
                (_request("request_status_condition", 'type="Idle", status="False", reason="Excluded"'), "1x300"),
            ),
            (
                (_request("idle_burn_usd_per_hour"), "4.8x58 0 4.8x300"),
                (_request("idle_state", 'state="Idle"'), "1x58 stale 1x58 stale"),
            ),
        ),
        after=60,
        labels=CHAT,
    ),
    Case(
        alert="PlacewrightSignalsMissing",
        fires=((_request("idle_signal_missing"), "2x300"),),
        quiet=(((_request("idle_signal_missing"), "0x300"),), ((_request("idle_signal_missing"), "1x58 0x300"),)),
        after=60,
        labels=CHAT,
    ),
    Case(
        alert="PlacewrightWakeSlow",
        fires=((_request("idle_state", 'state="Waking"'), "1x300"),),
        quiet=(
            ((_request("idle_state", 'state="Warming"'), "1x300"),),
            ((_request("idle_state", 'state="Waking"'), "1x28 stale"),),
        ),
        after=30,
        labels=f'{CHAT}, state="Waking"',
    ),
    Case(
        alert="PlacewrightReapedWhileQueue",
        fires=((_request("idle_queue_requests"), "3x300"), (_request("idle_state", 'state="Reaped"'), "1x300")),
        quiet=(
            ((_request("idle_queue_requests"), "3x300"), (_request("idle_state", 'state="Waking"'), "1x300")),
            ((_request("idle_queue_requests"), "0x300"), (_request("idle_state", 'state="Reaped"'), "1x300")),
            ((_request("idle_queue_requests"), "3x3 0x300"), (_request("idle_state", 'state="Reaped"'), "1x300")),
        ),
        after=5,
        labels=CHAT,
    ),
    Case(
        alert="PlacewrightAuditFault",
        fires=((_own("audit_fault", 'part="journal"'), "1x300"),),
        quiet=(
            ((_own("audit_fault", 'part="s3"'), "1x300"), (_own("audit_fault", 'part="journal"'), "0x300")),
            ((_own("audit_queue_oldest_seconds"), "0.5x300"),),
        ),
        after=5,
        labels=f'{SELF}, part="journal"',
    ),
    Case(
        alert="PlacewrightAuditFault",
        fires=((_own("audit_queue_oldest_seconds"), "301x300"),),
        quiet=(),
        after=5,
        labels=SELF,
    ),
    Case(
        alert="PlacewrightAuditLost",
        fires=((_own("audit_lost_total", 'part="s3"'), "0 5x300"),),
        quiet=(((_own("audit_lost_total", 'part="s3"'), "0x300"),),),
        after=1,
        labels=f'{SELF}, part="s3"',
    ),
    Case(
        alert="PlacewrightAuditSinkLag",
        fires=((_own("audit_sink_lag_seconds", 'sink="s3"'), "1000x300"),),
        quiet=(
            ((_own("audit_sink_lag_seconds", 'sink="s3"'), "60x300"),),
            ((_own("audit_sink_lag_seconds", 'sink="s3"'), "1000x12 0x300"),),
        ),
        after=15,
        labels=f'{SELF}, sink="s3"',
    ),
)
