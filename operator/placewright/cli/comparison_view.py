"""A comparison as a table, as data, and as Markdown for a pull request."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from placewright.cli import text
from placewright.cli.comparison import Change, Comparison, Kind, PoolChange, Standing, State
from placewright.cli.screen import Column, Screen

_MOST_ROWS: Final = 200  # of a comment: forges cut long ones in the middle of a line

_WORDS: Final = {
    Kind.SAME: "same",
    Kind.ADDED: "added",
    Kind.REMOVED: "removed",
    Kind.PLACED: "placed",
    Kind.LOST: "LOST",
    Kind.MOVED: "moves",
    Kind.CHANGED: "changes",
    Kind.STILL: "no plan",
}


def word(change: Change) -> str:
    """What happens to a request, in one or two words: `moves`, `added, Blocked`."""
    told = _WORDS[change.kind]
    if change.new is not None and change.new.state not in (State.APPROVED, State.UNPLANNED):
        return f"{told}, {change.new.state}"
    return told


def is_news(change: Change) -> bool:
    """Whether anything differs between the sides; reasons for the same state do not count."""
    if change.kind is Kind.STILL:
        return change.old is not None and change.new is not None and change.old.state is not change.new.state
    return change.kind is not Kind.SAME


def _hourly(change: Change) -> str:
    old, new = change.old, change.new
    return text.change(None if old is None else old.cost_per_hour, None if new is None else new.cost_per_hour)


def _per_million(change: Change) -> str:
    old, new = change.old, change.new
    return text.change(
        None if old is None else old.cost_per_million_tokens, None if new is None else new.cost_per_million_tokens
    )


def layout_change(change: Change) -> str:
    """`2 x fp8 l40s TP4 -> 1 x fp8 a100 TP2`."""
    old = change.old.layout if change.old is not None else ""
    new = change.new.layout if change.new is not None else ""
    return new or "-" if old == new else f"{old or '-'} -> {new or '-'}"


def reason(change: Change) -> str:
    """Why it has no plan, or another one."""
    return change.new.reason if change.new is not None else ""


def total(comparison: Comparison) -> str:
    """`$12.00 -> $14.40 (+$2.40) per hour in all, 20 % more`."""
    told = f"{text.change(comparison.old_cost_per_hour, comparison.new_cost_per_hour)} per hour in all"
    percent = comparison.cost_change_percent
    if percent is None or text.percent(abs(percent)) == "0 %":
        return told
    return f"{told}, {text.percent(abs(percent))} {'more' if percent > 0 else 'less'}"


def counts(comparison: Comparison) -> str:
    """`2 move, 1 added, 14 same`: how many requests of each sort."""
    words = {
        Kind.LOST: "lost",
        Kind.MOVED: "moved",
        Kind.CHANGED: "changed",
        Kind.PLACED: "placed",
        Kind.ADDED: "added",
        Kind.REMOVED: "removed",
        Kind.STILL: "without a plan on both sides",
        Kind.SAME: "same",
    }
    found = {kind: sum(change.kind is kind for change in comparison.changes) for kind in words}
    return ", ".join(f"{count} {words[kind]}" for kind, count in found.items() if count) or "no requests"


# ------------------------------------------------------------------------------------------------------- table


def table(screen: Screen, comparison: Comparison, *, everything: bool = False) -> None:
    """Write what differs (or everything), the total, and the pools whose use differs."""
    shown = [change for change in comparison.changes if everything or is_news(change)]
    screen.table(
        [
            Column("name"),
            Column("change"),
            Column("$/h"),
            Column("$/M tokens"),
            Column("layout", "text"),
            Column("why", "text"),
        ],
        [
            [change.title, word(change), _hourly(change), _per_million(change), layout_change(change), reason(change)]
            for change in shown
        ],
    )
    screen.text(f"{total(comparison)}: {counts(comparison)}")
    _pool_table(screen, [pool for pool in comparison.pools if everything or _differs(pool)])


def _differs(pool: PoolChange) -> bool:
    return (pool.old_capacity, pool.old_used) != (pool.new_capacity, pool.new_used)


def _pool_table(screen: Screen, pools: Sequence[PoolChange]) -> None:
    if not pools:
        return
    screen.blank()
    screen.table(
        [Column("pool"), Column("GPUs used", "number"), Column("of", "number")],
        [[pool.name, _count_change(pool.old_used, pool.new_used), _capacity(pool)] for pool in pools],
    )


def _capacity(pool: PoolChange) -> str:
    return _count_change(pool.old_capacity, pool.new_capacity)


def _count_change(old: int | None, new: int | None) -> str:
    if old == new:
        return "-" if new is None else f"{new:,}"
    return f"{'-' if old is None else f'{old:,}'} -> {'-' if new is None else f'{new:,}'}"


# -------------------------------------------------------------------------------------------------------- data


def data(comparison: Comparison) -> dict[str, Any]:
    """The comparison for `-o json`; costs are USD per hour and per million tokens."""
    from placewright.api.figures import figure  # noqa: PLC0415 - --help needs no pydantic

    percent = comparison.cost_change_percent
    return {
        "items": [
            {
                "metadata": {"name": change.name, "namespace": change.namespace},
                "change": str(change.kind),
                "costChangePerHour": figure(change.cost_change_per_hour),
                **({"old": _side(change.old)} if change.old is not None else {}),
                **({"new": _side(change.new)} if change.new is not None else {}),
            }
            for change in comparison.changes
        ],
        "fleet": {
            "oldCostPerHour": figure(comparison.old_cost_per_hour),
            "newCostPerHour": figure(comparison.new_cost_per_hour),
            "costChangePerHour": figure(comparison.cost_change_per_hour),
            **({"costChangePercent": figure(percent)} if percent is not None else {}),
            "pools": {pool.name: _pool(pool) for pool in comparison.pools},
        },
    }


def _side(standing: Standing) -> dict[str, Any]:
    from placewright.api.figures import figure  # noqa: PLC0415 - --help needs no pydantic

    found: dict[str, Any] = {"state": str(standing.state)}
    if standing.plan_id:
        found |= {"plan": standing.plan_id, "layout": standing.layout, "gpusByPool": dict(standing.gpus_by_pool)}
    if standing.cost_per_hour is not None:
        found["costPerHour"] = figure(standing.cost_per_hour)
    if standing.cost_per_million_tokens is not None:
        found["costPerMillionTokens"] = figure(standing.cost_per_million_tokens)
    if standing.reason:
        found["reason"] = standing.reason
    return found


def _pool(pool: PoolChange) -> dict[str, int]:
    found = {"oldUsed": pool.old_used, "newUsed": pool.new_used}
    if pool.old_capacity is not None:
        found["oldCapacity"] = pool.old_capacity
    if pool.new_capacity is not None:
        found["newCapacity"] = pool.new_capacity
    return found


# ---------------------------------------------------------------------------------------------------- Markdown


def markdown(comparison: Comparison, verdicts: Iterable[str] = ()) -> str:
    """The comparison as the text of a comment: total first, then a table of what differs."""
    lines = ["### GPU cost", "", f"**{escaped(total(comparison))}**: {escaped(counts(comparison))}", ""]
    lines += [f"- {escaped(verdict)}" for verdict in verdicts]
    if lines[-1]:
        lines.append("")
    news = [change for change in comparison.changes if is_news(change)]
    if not news:
        return "\n".join([*lines, "No plan changes.", ""])
    lines += ["| request | change | $/h | $/M tokens | layout | why |", "|---|---|---:|---:|---|---|"]
    for change in news[:_MOST_ROWS]:
        cells = (word(change), _hourly(change), _per_million(change), layout_change(change), reason(change))
        lines.append(_row(code(change.title), *map(escaped, cells)))
    if len(news) > _MOST_ROWS:
        lines += ["", f"and {len(news) - _MOST_ROWS:,} more"]
    pools = [pool for pool in comparison.pools if _differs(pool)]
    if pools:
        lines += ["", "| pool | GPUs used | of |", "|---|---:|---:|"]
        for pool in pools:
            used = _count_change(pool.old_used, pool.new_used)
            lines.append(_row(code(pool.name), escaped(used), escaped(_capacity(pool))))
    return "\n".join([*lines, ""])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


_ACTIVE: Final = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_{}[]()<>#+!|~$"} | {"&": "&amp;"})


def escaped(words: str) -> str:
    """Text that means nothing to Markdown: no emphasis, no link, no column, on one line."""
    return " ".join(words.split()).translate(_ACTIVE)


def code(words: str) -> str:
    """A name as code, whatever it holds: backticks and columns would end it."""
    plain = " ".join(words.split())
    return escaped(plain) if set(plain) & set("`|\\") else f"`{plain}`"
