"""The smallest change that would make an infeasible or blocked request feasible: found by solving, never guessed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

from placewright.core import figures
from placewright.core.knobs import Approves, Change, Knob
from placewright.core.levers import levers
from placewright.core.levers_shape import sane_stages
from placewright.core.model import Layout, Method, Relaxation, Request
from placewright.core.outcome import Outcome

Solver = Callable[[Request], Outcome]


def relaxation(request: Request, *, layers: int, solve: Solver, out_of_time: Callable[[], bool]) -> Relaxation | None:
    """Find the smallest relaxation.

    Each knob alone is tried first and the relatively smallest change wins. When none suffices alone, a set of knobs
    is found from which none can be left out, and each is turned back as far as possible. The relaxation's request,
    decided as it stands, gives an approved plan.

    Args:
        request: one whose best plan is missing or blocked.
        layers: decoder layers of the model.
        solve: solves a request, by the method it names.
        out_of_time: asked between solves; what is found until then counts.

    Returns:
        None when no change within sane limits helps, or when time ran out before one was found.
    """
    approves = _approver(solve, out_of_time)
    single = _single(request, levers(request, layers, request.parallelism.max_pipeline), approves)
    if single is not None:
        return _told(request, [single], approves)
    # Together with a deeper pipeline, more stock is of use.
    knobs = [knob for group in levers(request, layers, sane_stages(request)) for knob in group]
    for widening in (0, 1, 2):  # the narrowest search in which something helps
        candidates = [knob for knob in knobs if knob.widening <= widening]
        if approves(_lifted(request, candidates)) is not None:
            break
    else:
        return None
    sets = [_several(request, candidates, order, approves) for order in (candidates, candidates[::-1])]
    found = [changes for changes in sets if changes]
    if not found:
        return None
    return _told(
        request, min(found, key=lambda changes: (len(changes), sum(change.size for change in changes))), approves
    )


def _approver(solve: Solver, out_of_time: Callable[[], bool]) -> Approves:
    """Whether a request would be approved; asked by an exact search first, which is quick to say no."""
    known: dict[Request, Layout | None] = {}

    def approves(request: Request) -> Layout | None:
        if request not in known:
            if out_of_time():
                return None
            known[request] = _approved(request, solve)
        return known[request]

    return approves


def _approved(request: Request, solve: Solver) -> Layout | None:
    options = request.solver
    exact = replace(request, solver=replace(options, method=Method.EXACT, frontier=False))
    layout = solve(exact).best
    if layout is None or options.method is Method.EXACT:
        return layout
    return solve(replace(request, solver=replace(options, frontier=False))).best


def _single(request: Request, groups: Sequence[Sequence[Knob]], approves: Approves) -> Change | None:
    """The smallest change of one knob."""
    best: Change | None = None
    for group in groups:
        if len(group) > 1 and approves(_lifted(request, group)) is None:
            continue
        for knob in group:
            change = knob.smallest(request, approves, inf if best is None else best.size)
            if change is not None:
                best = change
    return best


def _several(request: Request, knobs: Sequence[Knob], order: Sequence[Knob], approves: Approves) -> list[Change]:
    """Of knobs that help together, those that cannot be left out, each turned as little as the others allow.

    Knobs early in `order` stay at the user's value where possible. Empty when time ran out.
    """
    needed = list(knobs)
    for knob in order:
        without = [entry for entry in needed if entry is not knob]
        if approves(_lifted(request, without)) is not None:
            needed = without
    changes: list[Change] = []
    changed = request
    while needed:  # stock and shape first, money last: prices follow from the layout
        knob = needed.pop()
        if approves(_lifted(changed, needed)) is not None:
            continue  # what was turned since needs less than what was lifted
        change = knob.smallest(_lifted(changed, needed), approves, inf)
        if change is None:
            return []
        changes.append(change)
        changed = change.apply(changed)
    return changes[::-1]


def _lifted(request: Request, knobs: Sequence[Knob]) -> Request:
    for knob in knobs:
        request = knob.lifted(request)
    return request


def _told(request: Request, changes: Sequence[Change], approves: Approves) -> Relaxation | None:
    """The changes as one relaxation, checked once more as a whole."""
    changed = request
    for change in changes:
        changed = change.apply(changed)
    layout = approves(changed)
    if layout is None:
        return None
    then = f"{figures.per_million(layout.cost_per_million_tokens)} tokens at {figures.per_hour(layout.cost_per_hour)}"
    return Relaxation(
        field=" and ".join(change.field for change in changes),
        current=" and ".join(change.current for change in changes),
        needed=" and ".join(change.needed for change in changes),
        message="feasible " + ", and ".join(change.phrase for change in changes) + f" (the plan is then {then})",
        request=changed,
        size=sum(change.size for change in changes),
    )
