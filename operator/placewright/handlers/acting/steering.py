"""GPUs of workloads that still run outside of the plans that stand are set aside, where there is room."""

from collections.abc import Callable, Mapping

from placewright.core.model import Present, Running
from placewright.handlers.ledger import NOTHING, Holding
from placewright.handlers.members import Member, Steering
from placewright.telemetry.views import Key


class WithLeftovers:
    """What ramps say of plans, and what acting says of what runs.

    Args:
        ramps: a plan before that serves beside the present one holds its GPUs already.
        leftovers: what runs and belongs to no plan that stands, by request.
    """

    def __init__(self, ramps: Steering, leftovers: Callable[[], Mapping[Key, tuple[Running, ...]]]) -> None:
        self._ramps = ramps
        self._leftovers = leftovers

    def present(self, key: Key, member: Member, fits: Callable[[Key, Holding], str]) -> Present | None:
        """As the ramps have it."""
        return self._ramps.present(key, member, fits)

    def reserved(self, key: Key, member: Member) -> Holding:
        """What serves beside the plan that stands."""
        ramping = self._ramps.reserved(key, member)
        return ramping if ramping.pools else _holding(self._leftovers().get(key, ()), member)

    def note_short(self, key: Key, pool: str) -> None:
        """Told to the ramps; what runs goes on whether its GPUs are set aside or not."""
        self._ramps.note_short(key, pool)


def _holding(running: tuple[Running, ...], member: Member) -> Holding:
    request = member.request
    shared = {pool.name for pool in request.pools if pool.shared} if request is not None else set()
    pools: dict[str, list[tuple[tuple[int, int], ...]]] = {}
    for each in running:
        for name, groups in each.pools.items():
            if name in shared:
                pools.setdefault(name, []).append(tuple((size, pods * each.replicas) for size, pods in groups))
    if not pools:
        return NOTHING
    return Holding(plan_id="", cost_per_hour=0.0, pools={name: tuple(sorted(held)) for name, held in pools.items()})
