"""The dollars of the demo: a gate in dollars that stops a ramp and blocks, and the journal of all decisions."""

import shutil
from collections.abc import Callable
from pathlib import Path

from demo import programs
from demo.calls import Calls, DemoError
from demo.crd import Json
from demo.operator_process import OperatorProcess
from demo.samples import condition, read_objects
from demo.show import Page
from demo.stand_in import StandIn
from demo.steps import until_right

GOOD_USD_PER_HOUR, FAIR_USD_PER_HOUR, POOR_USD_PER_HOUR = 40.0, 15.0, 7.0


def tell_gate(
    page: Page, folder: Path, earnings: StandIn, calls: Calls, operator: OperatorProcess, *, patience_seconds: float
) -> None:
    """Shows a gate with a live input.

    Args:
        page: where it is shown.
        folder: with policy.yaml and shop.yaml.
        earnings: what the operator asks for the revenue.
        calls: on the API.
        operator: runs, with `earnings` as its Prometheus.
        patience_seconds: how long each step may take.

    Raises:
        DemoError: a step failed, or something is not as promised.
    """
    stage = _Stage(page, calls, operator, patience_seconds)
    page.line()
    page.paragraph(
        "Now dollars: a model that may cost 40 % of what it earns, and that takes its traffic in steps of 10, 50 and"
        " 100 %, which ask for 40, 30 and 20 %. A script stands in for the Prometheus that tells the revenue."
    )
    page.line()
    earnings.usd_per_hour = FAIR_USD_PER_HOUR
    for body in (*read_objects(folder / "policy.yaml"), *read_objects(folder / "shop.yaml")):
        calls.create(body)
    stage.hold(FAIR_USD_PER_HOUR)
    earnings.usd_per_hour = GOOD_USD_PER_HOUR
    stage.complete(GOOD_USD_PER_HOUR)
    earnings.usd_per_hour = POOR_USD_PER_HOUR
    stage.block(POOR_USD_PER_HOUR)
    earnings.usd_per_hour = GOOD_USD_PER_HOUR
    stage.recover(GOOD_USD_PER_HOUR)


class _Stage:
    """The steps, in order."""

    def __init__(self, page: Page, calls: Calls, operator: OperatorProcess, patience_seconds: float) -> None:
        self._page = page
        self._calls = calls
        self._operator = operator
        self._patience_seconds = patience_seconds

    def hold(self, revenue: float) -> None:
        """The ramp stops before the step whose ratio is not reached."""
        self._page.progress(f"it earns ${revenue:g}/h; its plan begins without traffic")
        self._until("to stop the ramp at 50 %", lambda: self._ramp_faults(50.0, "Holding"))
        ramp = self._shop()["status"]["ramp"]
        self._page.progress(f"ramp at {ramp['percent']:g} % of the traffic, {ramp['reason']}: {ramp['message']}")
        self._show_gates(ramp["gates"])

    def complete(self, revenue: float) -> None:
        """More revenue, and the ramp goes on by itself."""
        self._page.progress(f"it earns ${revenue:g}/h")
        self._until("to complete the ramp", lambda: self._ramp_faults(100.0, "Completed"))
        self._page.progress("ramp at 100 % of the traffic, Completed")

    def block(self, revenue: float) -> None:
        """The gate fails: nothing is torn down, and what would pass is said."""
        before = self._shop()["status"]["plan"]["id"]
        self._page.progress(f"it earns ${revenue:g}/h")
        self._until("to see that its gate blocks", lambda: self._ready_faults("False", "GateBlocked"))
        shop = self._shop()
        ready = condition(shop, "Ready")
        assert ready is not None
        self._page.progress(f"GateBlocked: {ready['message']}")
        self._show_gates(shop["status"]["gates"])
        kept = shop["status"]["plan"]
        if (kept["id"], kept["state"]) != (before, "Approved"):
            raise DemoError(f"shop has plan {kept['id']} ({kept['state']}), wants {before} to stay")
        self._page.progress(f"plan {before} goes on: nothing that runs is torn down because a gate fails")

    def recover(self, revenue: float) -> None:
        """The gate passes again, by itself."""
        self._page.progress(f"it earns ${revenue:g}/h")
        self._until("to see that its gate passes", lambda: self._ready_faults("True", "PlanCurrent"))
        self._page.progress("Ready again")

    def _ramp_faults(self, percent: float, phase: str) -> list[str]:
        ramp = self._shop().get("status", {}).get("ramp", {})
        told = (ramp.get("percent"), ramp.get("phase"))
        return [] if told == (percent, phase) else [f"the ramp is at {told[0]} %, {told[1]}: {ramp.get('message')}"]

    def _ready_faults(self, status: str, reason: str) -> list[str]:
        ready = condition(self._shop(), "Ready") or {}
        told = (ready.get("status"), ready.get("reason"))
        return [] if told == (status, reason) else [f"shop is Ready={told[0]} {told[1]}"]

    def _shop(self) -> Json:
        return self._calls.objects("PlacementRequest")["dollars", "shop"]

    def _until(self, what: str, faults: Callable[[], list[str]]) -> None:
        until_right(self._operator, what, faults, self._patience_seconds)

    def _show_gates(self, gates: list[Json]) -> None:
        rows = [["GATE", "LIMIT", "ACTUAL", "HEADROOM", "RESULT"]]
        for gate in gates:
            room = gate.get("headroomPercent")
            rows.append(
                [
                    gate["name"],
                    f"{gate['limit']:g}",
                    f"{gate['actual']:.3g}" if "actual" in gate else "unknown",
                    "-" if room is None else f"{room:.3g} %",
                    gate["result"],
                ]
            )
        self._page.table(rows, key=0)


def tell_audit(page: Page, program: Path, journal: Path, scratch: Path) -> None:
    """Shows that the journal proves what was decided, and what one changed byte does.

    Args:
        page: where it is shown.
        program: the placewright program.
        journal: folder that the operator wrote, and writes no more.
        scratch: a folder that does not exist yet, for the copy that is tampered with.

    Raises:
        DemoError: the journal does not verify, or the changed copy does.
    """
    page.line()
    page.paragraph("Every decision, gate, step and move stands in a journal whose records are chained by hashes:")
    _verify(page, program, journal, fails=False)
    shutil.copytree(journal, scratch)
    file = max(scratch.glob("audit-*.jsonl"), key=lambda path: path.stat().st_size)
    content = bytearray(file.read_bytes())
    at = content.index(b'"GateBlocked"') + 1
    content[at] ^= 0x20  # one bit: G becomes g
    file.write_bytes(content)
    page.paragraph("A copy in which one byte is changed, so that the block reads as something else:")
    _verify(page, program, scratch, fails=True)


def _verify(page: Page, program: Path, folder: Path, *, fails: bool) -> None:
    done = programs.run(program, "audit", "verify", str(folder))
    page.line(f"$ placewright audit verify {folder.name}")
    for line in (done.out + done.err).splitlines():
        page.paragraph(line.strip().replace(str(folder), folder.name), head="  ")
    if (done.code != 0) is not fails:
        raise DemoError(f"placewright audit verify ended with {done.code} on {'a changed' if fails else 'the'} journal")
