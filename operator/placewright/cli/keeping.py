"""What stays as it is in a cluster whatever is decided: plans of requests that nobody plans now keep their GPUs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from placewright.cli.scene import Scene
from placewright.core.model import Ceiling, Pool

if TYPE_CHECKING:
    from placewright.handlers.ledger import Holding

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Plans that stay.

    Attributes:
        holdings: what each takes, by namespace and name of its request.
        going: requests that are being deleted.
        notes: what the user should know, one line each.
    """

    holdings: "Mapping[Key, Holding]" = field(default_factory=dict)
    going: frozenset[Key] = frozenset()
    notes: tuple[str, ...] = ()


NOTHING: Final = Kept()


def kept(scene: Scene) -> Kept:
    """Say what stays: plans of requests that are suspended, being deleted, or cannot be read."""
    from placewright.handlers.ledger import NOTHING as EMPTY  # noqa: PLC0415 - --help needs none of it
    from placewright.handlers.ledger import holding_of  # noqa: PLC0415

    bodies = {each.key: dict(each.body) for each in scene.unreadable}
    going = set()
    for asking in scene.requests:
        resource = asking.resource
        if asking.of_cluster and resource.metadata.deletion_timestamp:
            going.add(asking.key)
        elif not resource.spec.suspend:
            continue
        bodies[asking.key] = resource.model_dump(by_alias=True, exclude_none=True)
    found = {key: held for key, body in bodies.items() if (held := holding_of(body)) is not EMPTY}
    notes = [f"{'/'.join(key)} is being deleted; its plan is there until it is gone" for key in sorted(going)]
    return Kept(holdings=found, going=frozenset(going), notes=tuple(notes))


def without(pool: Pool, given: Kept) -> Pool:
    """The pool without the GPUs of the plans that stay."""
    if not given.holdings:
        return pool
    from placewright.handlers.ledger import without as less  # noqa: PLC0415 - --help needs none of it

    return less(pool, list(given.holdings.values()))


def left(ceiling: Ceiling, given: Kept) -> Ceiling:
    """What the plans that stay leave of a ceiling."""
    spent = sum(held.cost_per_hour for key, held in given.holdings.items() if ceiling.namespace in (None, key[0]))
    return replace(ceiling, max_cost_per_hour=max(0.0, ceiling.max_cost_per_hour - spent)) if spent else ceiling
