"""One component of a fleet, decided: what each request may take, what stands, one solve, nodes, plans."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from placewright.core.errors import InvalidRequestError
from placewright.core.fleet import alone, keeping, refusals
from placewright.core.fleet.asks import REFUSAL_WEIGHT, Case, copies_at_most, make_case, without_gates
from placewright.core.fleet.components import report_of
from placewright.core.fleet.outcome import Answer, Proof, assignments_of, decision_of, invalid, pool_uses
from placewright.core.fleet.plans import Held, held_of, make_replicas
from placewright.core.fleet.problem import make_problem
from placewright.core.fleet.rows import PoolKey, Rows, cost_of, make_rows
from placewright.core.fleet.solve import PROVED, solve
from placewright.core.fleet.standing import ask_of, look_at, released, usage_of
from placewright.core.fleet.state import Solved, State, left_of, unpackable, used_of
from placewright.core.fleet.worth import node_values
from placewright.core.identity import canonical
from placewright.core.model import (
    Decision,
    FleetDecision,
    FleetReport,
    MoveReason,
    NodeValue,
    Progress,
    Snapshot,
    SolveStatus,
)
from placewright.core.outcome import Watch

OnProgress = Callable[[Progress], None]

_SOLVING = 0.8  # of the time limit
_ROUNDS = 12  # of letting present plans go that cannot stay, and of packing again


class Part:
    """One component."""

    def __init__(self, snapshot: Snapshot, clock: Callable[[], float], on_progress: OnProgress | None) -> None:
        self.snapshot = snapshot
        self.clock = clock
        self.on_progress = on_progress
        self.limit = max(request.solver.time_limit_seconds for request in snapshot.requests)
        self.watch = Watch(clock, self.limit)
        self.explaining: Watch | None = None  # starts with the first request whose refusal is explained
        self.solving = self.watch.share(_SOLVING)  # the rest is for saying why
        self.originals = {f"{r.namespace}/{r.name}": r for r in snapshot.requests}
        self.present = {f"{p.namespace}/{p.name}": p for p in snapshot.present}
        self.out: dict[str, Decision] = {}
        self.gap = 0.0

    def decide(self) -> FleetDecision:
        """The decision of the component."""
        # 1. What each may take, and what there is to take.
        state = self._observe()
        # 2. What nothing serves, and what a gate forbids, takes no part; but what runs there goes on.
        self._keep(state, [key for key, each in self.present.items() if each.held or key not in state.alone])
        # 3. All others at once, present plans kept where they may be.
        solved = self._solve_with_kept(state)
        # 4. Plans with their moves, or why there is none: last, since saying why takes longer than to decide.
        self._conclude_all(state, solved)
        self._conclude_others(state, solved)
        # 5. A node for each group, the use of the pools, the proof.
        return self._result(state, solved)

    # -------------------------------------------------------------------------------------------- 1. observe

    def _observe(self) -> State:
        cases: dict[str, Case] = {}
        for key, original in sorted(self.originals.items()):
            try:
                cases[key] = make_case(canonical(original), self.watch.share(0.3).out_of_time)
            except InvalidRequestError as error:
                self.out[key] = invalid(original, error, self.present.get(key))
        rows = self._rows(cases)
        own = alone.all_alone(list(cases.values()), rows)
        standing = {key: look_at(case, self.present[key], rows) for key, case in cases.items() if key in self.present}
        return State(cases=cases, rows=rows, alone=own, standing=standing, whole=rows.capacity)

    def _rows(self, cases: Mapping[str, Case]) -> Rows:
        pools = {}
        sizes: dict[PoolKey, set[int]] = {}
        for key, case in cases.items():
            for name, pool in case.pools.items():
                pools[case.keys[name]] = pool
            for candidate in case.candidates:
                for name, size, _ in candidate.groups:
                    sizes.setdefault(case.keys[name], set()).add(size)
            if key in self.present:
                for entry in self.present[key].replicas:
                    for stage in entry.layout.stages:
                        if stage.pool in case.keys:
                            sizes.setdefault(case.keys[stage.pool], set()).add(stage.tensor_parallel)
        return make_rows(pools, sizes, self.snapshot.ceilings)

    # -------------------------------------------------------------------------------------------- 2. hopeless

    def _conclude_others(self, state: State, solved: Solved) -> None:
        """Say why the cases get nothing that take no part; all of it within one time limit."""
        for key in state.cases:
            if key not in self.out:
                self._conclude(state, key, Answer(refusal=self._out_of_part(state, solved, key)))

    def _out_of_part(self, state: State, solved: Solved, key: str) -> refusals.Refusal:
        """Why a case gets nothing that took no part, or what it would get that is kept to its plan."""
        case, others = state.cases[key], {name: held for name, held in state.kept.items() if name != key}
        if key in state.kept and self.present[key].held:
            return refusals.Refusal(status=SolveStatus.FEASIBLE)
        rows = keeping.take(replace(state.rows, capacity=state.whole), state.cases, others)
        around = replace(state, rows=rows)
        if key not in state.alone:
            return self._blocked(around, case) or self._unservable(case)
        left = left_of(around, solved.held())
        used = used_of(replace(state, kept=others), solved.held())
        return self._refusal(around, key, left, used, REFUSAL_WEIGHT * state.alone[key].value)

    def _unservable(self, case: Case) -> refusals.Refusal:
        self.explaining = self.explaining or Watch(self.clock, self.limit)
        return refusals.unservable(case, self.clock, self.explaining)

    def _blocked(self, state: State, case: Case) -> refusals.Refusal | None:
        free = without_gates(case)
        own = alone.all_alone([free], state.rows).get(free.key)
        if own is None:
            return None
        least = own.value
        blocked = refusals.blocked(case, free, state.rows, REFUSAL_WEIGHT * least)
        return blocked or refusals.short(
            free, state.rows, state.rows.capacity, REFUSAL_WEIGHT * least, [0.0] * len(state.rows.capacity)
        )

    # -------------------------------------------------------------------------------------------- 3. solve

    def _keep(self, state: State, keys: Sequence[str]) -> bool:
        """Keep the present plans of these requests where stock has room; those of higher priority and larger first."""
        found = {
            key: held
            for key in keys
            if key in state.cases and (held := keeping.physical(state.cases[key], self.present[key])) is not None
        }
        size = {key: sum(candidate.gpus * count for candidate, count in held) for key, held in found.items()}
        any_kept = False
        for key in sorted(found, key=lambda key: (-state.cases[key].request.priority, -size[key], key)):
            left = dict(enumerate(state.rows.capacity))
            fitting = keeping.fits(state.cases[key], found[key], state.rows, left)
            if fitting and not unpackable(state, {key: found[key]}):
                self._keep_only(state, {**state.kept, key: found[key]})
                any_kept = True
        return any_kept

    def _solve_with_kept(self, state: State) -> Solved:
        """Solve; a request that gets nothing keeps what it has, if that is not what stock or priority took from it."""
        observed, dropped = dict(state.standing), set[str]()
        while True:
            asking = [key for key in state.cases if key in state.alone and key not in state.kept]
            solved = self._solve(state, asking)
            lost = sorted(set(asking) - set(solved.held()))
            spared = [key for key in lost if key not in dropped and keeping.is_spared(state.standing.get(key))]
            if self.watch.out_of_time():
                return solved
            if not self._keep(state, spared) and not self._yield_to_higher(state, lost, dropped):
                self._keep_beside(state, solved, dropped)
                return solved
            preempted = {key: replace(observed[key], broken=MoveReason.PREEMPTED) for key in dropped & set(observed)}
            state.standing = {key: each for key, each in {**observed, **preempted}.items() if key not in state.kept}

    def _keep_beside(self, state: State, solved: Solved, keys: Collection[str]) -> None:
        """Keep plans that were given up for others, as far as these leave room and money after all."""
        held = solved.held()
        for key in sorted(keys):
            own = keeping.physical(state.cases[key], self.present[key])
            left = dict(enumerate(left_of(state, held)))
            if own is None or not keeping.fits(state.cases[key], own, state.rows, left, money=True):
                continue
            if not unpackable(state, {**held, key: own}):
                self._keep_only(state, {**state.kept, key: own})

    def _yield_to_higher(self, state: State, lost: Sequence[str], dropped: set[str]) -> bool:
        """Give up kept plans of lower priority where somebody more important gets a plan by that; whether any was."""
        wanting = [state.cases[key].request.priority for key in lost if key not in dropped]
        low = [
            key
            for key in state.kept
            if wanting and not self.present[key].held and state.cases[key].request.priority < max(wanting)
        ]
        if not low:
            return False
        kept, rows, standing = dict(state.kept), state.rows, dict(state.standing)
        self._keep_only(state, {key: held for key, held in kept.items() if key not in low})
        asking = [key for key in state.cases if key in state.alone and key not in state.kept and key not in low]
        won = set(self._solve(state, asking).held()).intersection(lost)
        state.kept, state.rows, state.standing = kept, rows, standing
        if not any(state.cases[key].request.priority > state.cases[one].request.priority for key in won for one in low):
            return False
        self._keep_only(state, {key: held for key, held in kept.items() if key not in low})
        dropped.update(low)
        return True

    @staticmethod
    def _keep_only(state: State, kept: Mapping[str, Held]) -> None:
        state.kept = dict(kept)
        state.rows = keeping.take(replace(state.rows, capacity=state.whole), state.cases, state.kept)

    def _solve(self, state: State, asking: list[str]) -> Solved:
        """Solve; a present plan that cannot stay after all is let go, and all is solved again.

        Who has a plan that holds is not refused for newcomers of its own priority, however much these ask for: a
        refusal of it then weighs more than all of theirs.
        """
        state.standing = released(state.cases, state.standing, state.rows)
        capacity = list(state.rows.capacity)
        insisting: set[str] = set()
        bound: float | None = None  # with all capacity: what packing costs counts in the gap
        for _ in range(_ROUNDS):
            made = {
                key: ask_of(
                    state.cases[key],
                    state.standing.get(key),
                    state.rows,
                    REFUSAL_WEIGHT * (self._newcomers(state, asking) if key in insisting else state.alone[key].value),
                )
                for key in asking
            }
            problem = make_problem([ask for ask, _ in made.values()], capacity)
            solution = solve(problem, seconds_left=self.solving.left, on_progress=self.on_progress)
            solved = Solved(problem=problem, solution=solution, bundles={key: own for key, (_, own) in made.items()})
            lost = [key for key in set(asking) - set(solved.held()) if self._stands(state, key)]
            if lost:
                self._let_go(state, [key for key in lost if key in insisting])
                insisting = {key for key in insisting.union(lost) if self._stands(state, key)}
                capacity, bound = list(state.rows.capacity), None
                continue
            bound = solution.bound if bound is None else bound
            over = unpackable(state, solved.held())
            if not over:
                return self._filled(state, self._proved_by(solved, bound))
            for row in over:
                capacity[row] -= 1.0
        return self._nothing(solved)

    def _filled(self, state: State, solved: Solved) -> Solved:
        """The solve with what is left given to requests that it refused, being cut, although there is room."""
        if solved.solution.proved:
            return solved
        problem, solution, held = solved.problem, solved.solution, solved.held()
        taken, objective, left = list(solution.taken), solution.objective, left_of(state, held)
        refused = [at for at in range(problem.asks) if taken[at] is None]
        for at in sorted(refused, key=lambda at: (-int(problem.priority[at]), at)):
            case = state.cases[problem.keys[at]]
            if self.watch.out_of_time():
                break
            found = alone.best_within(case, state.rows, left, float(problem.refusal_value[at]))
            if found is None or unpackable(state, {**held, case.key: held_of(found)}):
                continue
            held[case.key] = held_of(found)
            left = left_of(state, held)
            items = tuple(sorted((case.bundles.index(bundle), count) for bundle, count in found))
            start = int(problem.ask_start[at])
            value = sum(float(problem.value[start + offer]) * count for offer, count in items)
            taken[at], objective = items, objective + value - float(problem.refusal_value[at])
        return replace(solved, solution=replace(solution, taken=tuple(taken), objective=objective))

    @staticmethod
    def _proved_by(solved: Solved, bound: float) -> Solved:
        """The solve with a bound that holds however the groups are packed."""
        objective = solved.solution.objective
        proved = solved.solution.proved and objective - bound <= PROVED * max(1.0, abs(objective))
        return replace(solved, solution=replace(solved.solution, bound=min(bound, objective), proved=proved))

    def _newcomers(self, state: State, asking: Sequence[str]) -> float:
        """More than the least values of all that have no plan that holds."""
        own = max(state.alone[key].value for key in asking)
        return own + sum(state.alone[key].value for key in asking if not self._stands(state, key))

    @staticmethod
    def _nothing(solved: Solved) -> Solved:
        """Nobody gets anything: what is never packed must not be promised."""
        empty = replace(solved.solution, taken=(None,) * solved.problem.asks, bound=0.0, proved=False)
        return replace(solved, solution=empty)

    @staticmethod
    def _stands(state: State, key: str) -> bool:
        return key in state.standing and state.standing[key].broken is None

    @staticmethod
    def _let_go(state: State, keys: Sequence[str]) -> None:
        top = max(case.request.priority for case in state.cases.values())
        for key in keys:
            lower = state.cases[key].request.priority < top
            reason = MoveReason.PREEMPTED if lower else MoveReason.STOCK_GONE
            state.standing[key] = replace(state.standing[key], broken=reason)

    # -------------------------------------------------------------------------------------------- 4. conclude

    def _conclude(self, state: State, key: str, answer: Answer) -> None:
        case, present = state.cases[key], self.present.get(key)
        if key in state.kept and present is not None:
            base = decision_of(case, self.originals[key], answer, None, None)
            self.out[key] = keeping.kept_decision(case, base, state.kept[key], present)
            return
        self.out[key] = decision_of(case, self.originals[key], answer, present, state.standing.get(key))

    def _conclude_all(self, state: State, solved: Solved) -> None:
        held = solved.held()
        left = left_of(state, held)
        used = used_of(state, held)
        self.gap, gap_percent = self._gap(state, solved)
        proof = Proof(proved=solved.solution.proved, gap_percent=gap_percent)
        for key in solved.problem.keys:
            case, refusal_value = state.cases[key], REFUSAL_WEIGHT * state.alone[key].value
            replicas = make_replicas(case, held[key]) if key in held else None
            if replicas is not None:
                preferred = state.alone[key].taken
                if preferred is None and not self.watch.out_of_time() and not self._ample(state, case, held[key], left):
                    preferred = alone.best_within(case, state.rows, None, refusal_value)
                answer = Answer(replicas=replicas, proof=proof, least=state.alone[key].value, preferred=preferred)
            else:
                answer = Answer(refusal=self._refusal(state, key, left, used, refusal_value))
            self._conclude(state, key, answer)

    @staticmethod
    def _ample(state: State, case: Case, held: Held, left: Sequence[float]) -> bool:
        """Whether stock did not limit the request: beside the others there is room for any mix that would serve it."""
        own = usage_of(case, held, state.rows)
        most: dict[int, float] = {}
        for candidate in case.candidates:
            copies = copies_at_most(case, candidate.rates)
            cost = cost_of(case.pools, candidate.groups, copies)
            for row, amount in state.rows.uses(case.request.namespace, case.keys, candidate.groups, copies, cost):
                most[row] = max(most.get(row, 0.0), amount)
        return all(left[row] + own.get(row, 0.0) >= amount for row, amount in most.items())

    def _refusal(
        self, state: State, key: str, left: Sequence[float], used: Sequence[float], refusal_value: float
    ) -> refusals.Refusal:
        case = state.cases[key]
        if self.watch.out_of_time():
            return refusals.Refusal(status=SolveStatus.TIME_LIMIT)
        if alone.best_within(case, state.rows, None, refusal_value) is None:  # its own limits, seen only with integers
            return self._blocked(state, case) or self._unservable(case)
        return refusals.short(case, state.rows, left, refusal_value, used)

    # -------------------------------------------------------------------------------------------- 5. result

    def _gap(self, state: State, solved: Solved) -> tuple[float, float]:
        """What the placed plans may be above the least, in USD per hour and in percent of what they count."""
        solution = solved.solution
        refused = [at for at, taken in enumerate(solution.taken) if taken is None]
        placed = solution.objective - float(solved.problem.refusal_value[refused].sum())
        if all(state.cases[key].complete for key in solved.problem.keys):
            gap = 0.0 if solution.proved else max(0.0, solution.objective - solution.bound)
        else:
            # Layouts of mixed kinds are not all known: only the least price of any layout is proved for these.
            gap = placed - sum(
                self._least(state, key)
                for key, taken in zip(solved.problem.keys, solution.taken, strict=True)
                if taken is not None
            )
            gap = gap if gap > 1e-9 * abs(placed) else 0.0
        return gap, min(100.0, gap / placed * 100.0) if placed > 0 else 0.0

    def _least(self, state: State, key: str) -> float:
        case, least = state.cases[key], state.alone[key].value
        return least if case.complete else alone.bound_of_mixed(case, least, self.watch)

    def _result(self, state: State, solved: Solved) -> FleetDecision:
        decisions = tuple(self.out[key] for key in sorted(self.out, key=lambda key: tuple(key.split("/", 1))))
        shared = tuple(pool for pool in self.snapshot.pools)
        values: dict[PoolKey, NodeValue] = {}
        if solved.problem.asks:
            names = [
                (case.request.namespace, case.request.name)
                for case in map(state.cases.get, solved.problem.keys)
                if case
            ]
            values = node_values(solved.problem, solved.solution, state.rows, names=names, seconds_left=self.watch.left)
        return FleetDecision(
            decisions=decisions,
            assignments=assignments_of(shared, decisions),
            pools=pool_uses(shared, decisions, values),
            report=self._report(decisions),
        )

    def _report(self, decisions: Sequence[Decision]) -> FleetReport:
        status = SolveStatus.OPTIMAL if self.gap == 0.0 else SolveStatus.FEASIBLE
        return report_of(decisions, self.gap, status)
