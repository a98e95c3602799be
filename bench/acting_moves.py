"""What each move writes on the API server: one request each, beside all others."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench import acting_load as load
from bench.acting_hands import Hands
from bench.acting_writes import EVENTS, STATUSES, Writes, on_workloads, said
from bench.stand_in import StandIn
from tests.support.operator_process import ROOT, OperatorProcess
from tests.support.placements import Placements, condition

_LIMIT_SECONDS = 90.0
_QUIET_SECONDS = 3.0
_SURGE = "another layout, where old and new have room"
_DOCUMENTED = re.compile(r"^\| (?P<move>[^|]+?) \| (?P<writes>\d+) \|", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One move.

    Attributes:
        move: what it was.
        documented: writes by docs/acting.md, without statuses and Events.
        writes: all that were seen.
    """

    move: str
    documented: int
    writes: Counter[str]

    def __str__(self) -> str:
        """One line."""
        acted = on_workloads(self.writes)
        statuses = sum(count for kind, count in self.writes.items() if kind.split(" ")[1] == STATUSES)
        events = sum(count for kind, count in self.writes.items() if kind.split(" ")[1] == EVENTS)
        differs = "" if acted.total() == self.documented else "   DIFFERS"
        counts = f"{acted.total():>7}{self.documented:>12}{statuses:>10}{events:>8}"
        return f"  {self.move:<44}{counts}   {said(acted)}{differs}"


HEAD = f"  {'move':<44}{'writes':>7}{'documented':>12}{'statuses':>10}{'Events':>8}"


def _documented() -> dict[str, int]:
    """Writes of each move, as the table of docs/acting.md has them."""
    text = (ROOT / "docs" / "acting.md").read_text(encoding="utf-8")
    return {found["move"]: int(found["writes"]) for found in _DOCUMENTED.finditer(text)}


class Moves:
    """Makes the moves.

    Args:
        placements: the namespace.
        operator: runs, with --apply.
        hands: play the controllers.
        writes: of the operator.
        metrics: what the operator asks for the activity.
        activity: what it answers for all others.
    """

    def __init__(
        self,
        placements: Placements,
        operator: OperatorProcess,
        hands: Hands,
        writes: Writes,
        metrics: StandIn,
        activity: load.Activity,
    ) -> None:
        self._placements = placements
        self._operator = operator
        self._hands = hands
        self._writes = writes
        self._metrics = metrics
        self._activity = activity
        self._documented = _documented()

    def all(self) -> Iterator[Row]:
        """Each move once."""
        yield from self._plain()
        yield from self._routed()
        yield from self._idle()

    def _plain(self) -> Iterator[Row]:
        made, name = self._placements, "plain"
        yield self._row(
            "first rollout of a layout",
            name,
            lambda: made.create(name, load.mover(rate=2.0, routed=False)),
            lambda: self._runs(name, 2),
        )
        yield self._row(
            "another number of replicas",
            name,
            lambda: made.patch(name, {"workload": {"requestsPerSecond": 3.0}}),
            lambda: self._runs(name, 3),
        )
        yield self._row("the request is deleted", name, lambda: made.delete(name), lambda: self._gone(name))

    def _routed(self) -> Iterator[Row]:
        made, name = self._placements, "routed"
        yield self._row(
            "first rollout of a layout with a route",
            name,
            lambda: made.create(name, load.mover(rate=2.0, routed=True)),
            lambda: self._runs(name, 2),
        )
        yield self._row(
            _SURGE,
            name,
            lambda: made.patch(name, {"pools": load.pools(dear=0.5)}),
            lambda: self._runs(name, 2) and self._on(name) == load.DEAR,
        )
        yield self._row(
            "another image, where old and new have room",
            name,
            lambda: made.patch(name, {"render": {"image": "registry.local/engine:2"}}),
            lambda: self._runs(name, 2),
        )
        made.patch(name, {"ramp": {"stepsPercent": [10, 50, 100], "holdFor": "2s"}})
        self._wait(lambda: self._runs(name, 2), f"{name} with a ramp")
        yield self._row(
            "another layout by a ramp of 10, 50, 100 %",
            name,
            lambda: made.patch(name, {"pools": load.pools()}),
            lambda: self._runs(name, 2) and self._on(name) == load.CHEAP,
            documented=self._documented[_SURGE] + 2 * self._documented["ramp step"],
        )

    def _idle(self) -> Iterator[Row]:
        made, name, model = self._placements, "sleeper", "sleeper-model"
        self._use(working=frozenset({model}))
        made.create(name, load.mover(rate=2.0, routed=False, idles=model))
        self._wait(lambda: self._runs(name, 2), f"{name} to run")
        self._use(working=frozenset({model}))
        self._wait(lambda: self._state(name) == "Active", f"{name} to be active")
        yield self._row("reap", name, self._use, lambda: self._state(name) == "Reaped" and self._runs(name, 0))
        yield self._row(
            "wake",
            name,
            lambda: made.patch(name, {}, annotations={"placewright.dev/wake": "now"}),
            lambda: self._runs(name, 2) and self._state(name) not in {"Reaped", "Waking"},
        )

    # --------------------------------------------------------------------------------------------------- helpers

    def _row(
        self,
        move: str,
        name: str,
        act: Callable[[], object],
        done: Callable[[], object],
        *,
        documented: int | None = None,
    ) -> Row:
        mark = self._writes.mark()
        act()
        self._wait(done, f"{name}: {move}")
        self._rest(name, mark)
        wanted = self._documented[move] if documented is None else documented
        return Row(move=move, documented=wanted, writes=self._writes.since(mark, request=name))

    def _rest(self, name: str, mark: int) -> None:
        """Waits until nothing was written for a while."""
        last: tuple[Counter[str], float] = (self._writes.since(mark, request=name), time.monotonic())

        def quiet() -> bool:
            nonlocal last
            found = self._writes.since(mark, request=name)
            if found != last[0]:
                last = (found, time.monotonic())
            return time.monotonic() - last[1] >= _QUIET_SECONDS

        self._wait(quiet, f"{name} to rest")

    def _wait(self, probe: Callable[[], object], what: str) -> None:
        self._operator.wait(probe, what, _LIMIT_SECONDS)
        if self._hands.faults:
            raise RuntimeError(f"the hands failed: {self._hands.faults[0]}")

    def _use(self, working: frozenset[str] = frozenset()) -> None:
        """Has the servers of the sleeper work, or not."""
        pods = {**self._activity.pods, "sleeper-model": self._hands.pods().get("sleeper", ())}
        self._metrics.use(load.Activity(pods=pods, working=self._activity.working | working))

    def _runs(self, name: str, replicas: int) -> bool:
        """Whether the newest spec is rolled out, with so many replicas in all."""
        found = self._placements.get(name)
        status = found.get("status") or {}
        applied = condition(found, "Applied")
        rollout = status.get("rollout") or {}
        current = status.get("observedGeneration") == found["metadata"]["generation"]
        done = (applied.get("status"), applied.get("reason")) == ("True", "RolledOut")
        plan = (status.get("plan") or {}).get("id")
        counted = sum(int(each.get("readyReplicas") or 0) for each in rollout.get("workloads") or ())
        return current and done and rollout.get("planId") == plan and counted == replicas

    def _on(self, name: str) -> str:
        """The only pool of the plan."""
        pools = ((self._placements.get(name).get("status") or {}).get("plan") or {}).get("gpusByPool") or {}
        return next(iter(pools)) if len(pools) == 1 else ""

    def _state(self, name: str) -> str:
        return str(((self._placements.get(name).get("status") or {}).get("idle") or {}).get("state", ""))

    def _gone(self, name: str) -> bool:
        return self._placements.find(name) is None
