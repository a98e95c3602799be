"""Random worlds of servers that work, idle, restart, vanish and are scraped badly, and what is true of them.

A world is made sample by sample, as a scraper would have stored it, and knows for itself what a look at a moment must
not overlook. Nothing here knows how the program asks or decides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

BASE = 1_700_000_000.0  # a whole multiple of no step in particular
NAMESPACE = "serving"
MODEL = 'own/"model" \\ 1'

Labels = tuple[tuple[str, str], ...]
Samples = dict[tuple[str, Labels], list[tuple[float, float]]]


@dataclass(frozen=True, kw_only=True)
class Work:
    """One request: it waits, is worked on, and is finished; seconds of the scraper's clock."""

    waits: float
    runs: float
    ends: float


@dataclass(frozen=True, kw_only=True)
class Server:
    """One Pod.

    Attributes:
        pod: its name.
        instance: where it is scraped.
        lives: when its process began and ended, in turn; none overlap.
        work: requests, each within one life, though its end may be cut off.
        away: times without a scrape at all, as of a target that is gone.
        failing: times in which scrapes fail.
        lacking: times in which one metric (0 finished, 1 running, 2 waiting) is not shown.
        renamed_at: when the metrics got their other names; None: never.
        before: requests that it had finished when its first life began.
    """

    pod: str
    instance: str
    lives: tuple[tuple[float, float], ...]
    work: tuple[Work, ...] = ()
    away: tuple[tuple[float, float], ...] = ()
    failing: tuple[tuple[float, float], ...] = ()
    lacking: tuple[tuple[float, float, int], ...] = ()
    renamed_at: float | None = None
    before: int = 0


@dataclass(frozen=True, kw_only=True)
class Names:
    """Metric names of finished, running, waiting."""

    old: tuple[str, str, str]
    new: tuple[str, str, str]


SGLANG = Names(
    old=("sglang:num_requests_total", "sglang:num_running_reqs", "sglang:num_queue_reqs"),
    new=("sglang_num_requests_total", "sglang_num_running_reqs", "sglang_num_queue_reqs"),
)


@dataclass(frozen=True, kw_only=True)
class World:
    """All servers of one model, and a look at them.

    Attributes:
        servers: that there are.
        scrapes: moments of scrapes, ascending.
        at: of the look.
        exported: whether the namespace of the series is the exporter's own.
        namespace: of the model.
    """

    servers: tuple[Server, ...]
    scrapes: tuple[float, ...]
    at: float
    exported: bool = False
    namespace: str = NAMESPACE
    cache: dict[str, Samples] = field(default_factory=dict, compare=False, repr=False)

    def samples(self) -> Samples:
        """All series as they are stored."""
        if "all" not in self.cache:
            self.cache["all"] = self._samples()
        return self.cache["all"]

    def _samples(self) -> Samples:
        found: Samples = {}
        for server in self.servers:
            target: Labels = (("instance", server.instance), ("namespace", self.namespace), ("pod", server.pod))
            shown = (*target, ("model_name", MODEL))
            if self.exported:
                shown = tuple((name, "monitoring") if name == "namespace" else (name, value) for name, value in shown)
                shown = (*shown, ("exported_namespace", self.namespace))
            shown = tuple(sorted(shown))
            for at in self.scrapes:
                up = scraped(server, at)
                if up is None:
                    continue
                found.setdefault(("up", target), []).append((at, float(up)))
                for index, value in enumerate(_shown(server, at)) if up else ():
                    if not any(begin <= at < end and index == what for begin, end, what in server.lacking):
                        renamed = server.renamed_at is not None and at >= server.renamed_at
                        name = (SGLANG.new if renamed else SGLANG.old)[index]
                        found.setdefault((name, shown), []).append((at, value))
        return found

    def worked(self, since: float) -> bool:
        """Whether any request was finished, ran or waited after `since`, as far as any scrape until now could see."""
        for server in self.servers:
            seen = [at for at in self.scrapes if at <= self.at and scraped(server, at)]
            for at in seen:
                if at > since and any(value > 0.0 for value in _shown(server, at)[1:]):
                    return True
            for begin, end in server.lives:
                own = [at for at in seen if begin <= at < end]
                ends = [work.ends for work in server.work if begin <= work.ends < end and work.ends > since]
                if any(moment <= at for moment in ends for at in own):
                    return True
        return False

    def unseen(self, since: float, step: float) -> bool:
        """Whether any server that was there in a whole step which ends after `since` was not seen in that step."""
        first = int(since // step) + 1  # the first step that ends after it
        last = int(self.at // step)
        known = [server for server in self.servers if self._known(server, since - 2 * step)]
        return any(
            not _told(server, [at for at in self.scrapes if (index - 1) * step < at <= index * step])
            for server in known
            for index in range(first, last + 1)
        )

    def _known(self, server: Server, since: float) -> bool:
        return any(since < at <= self.at and scraped(server, at) for at in self.scrapes)

    def counted(self) -> int:
        """Servers that live now."""
        return sum(any(begin <= self.at < end for begin, end in server.lives) for server in self.servers)

    def youngest(self) -> float:
        """When the youngest process began."""
        begun = (begin for server in self.servers for begin, _ in server.lives if begin <= self.at)
        return max(begun, default=self.at)


def scraped(server: Server, at: float) -> bool | None:
    """Whether a scrape then succeeds; None: there is no target."""
    alive = any(begin <= at < end for begin, end in server.lives)
    known = server.lives[0][0] <= at < server.lives[-1][1]
    if not known or _within(server.away, at):
        return None
    return alive and not _within(server.failing, at)


def _told(server: Server, scrapes: Iterable[float]) -> bool:
    """Whether these scrapes tell everything: one at least, none failed, and each metric in some of them."""
    results = [(at, scraped(server, at)) for at in scrapes]
    seen = [at for at, up in results if up]
    if not seen or any(up is False for _, up in results):
        return False
    hidden = (
        all(any(begin <= at < end and index == what for begin, end, what in server.lacking) for at in seen)
        for index in range(3)
    )
    return not any(hidden)


def _shown(server: Server, at: float) -> tuple[float, float, float]:
    begin, _ = next(life for life in server.lives if life[0] <= at < life[1])
    first = begin == server.lives[0][0]
    finished = sum(begin <= work.ends <= at for work in server.work) + (server.before if first else 0)
    running = sum(work.runs <= at < work.ends and work.runs >= begin for work in server.work)
    waiting = sum(work.waits <= at < work.runs and work.waits >= begin for work in server.work)
    return float(finished), float(running), float(waiting)


def _within(spans: Iterable[tuple[float, float]], at: float) -> bool:
    return any(begin <= at < end for begin, end in spans)


# ------------------------------------------------------------------------------------------------------ random ones


def random_world(random: Random, *, window: float, step: float, namespace: str = NAMESPACE) -> World:
    """A world whose troubles and work lie anywhere, most often near the edges of a window that ends with the look."""
    at = BASE + random.randrange(0, 100_000) / 10.0
    begin = at - window - 6.0 * step
    interval = random.choice((step / 8.0, step / 4.0, step / 2.0, step))
    scrapes = _scrapes(random, begin, at + step, interval, window)
    servers = tuple(_server(random, index, begin, at, window, step) for index in range(random.choice((1, 1, 2, 3))))
    return World(servers=servers, scrapes=scrapes, at=at, exported=random.random() < 0.3, namespace=namespace)


def _scrapes(random: Random, begin: float, end: float, interval: float, window: float) -> tuple[float, ...]:
    """Scrapes on time; at times the scraper's clock jumps, and what it stores out of order is lost."""
    offset, jump = random.random() * interval, 0.0
    jump_at = end if random.random() < 0.9 else end - random.random() * window
    if jump_at < end:
        jump = random.choice((-1.0, 1.0)) * random.choice((0.1, 0.4, 1.0)) * window
    found: list[float] = []
    moment = begin + offset
    while moment < end:
        stored = round(moment + (jump if moment >= jump_at else 0.0), 3)
        if not found or stored > found[-1]:
            found.append(stored)
        moment += interval
    return tuple(found)


def _server(random: Random, index: int, begin: float, at: float, window: float, step: float) -> Server:
    def moment() -> float:
        near = random.choice((at, at - window, at - step, at - window - step, at - random.random() * window))
        return near + (random.random() - 0.5) * 2.0 * step

    def spans(chance: float) -> tuple[tuple[float, float], ...]:
        if random.random() >= chance:
            return ()
        first = moment()
        return ((first, first + random.choice((0.3, 1.0, 2.5)) * step),)

    born = begin - 1.0 if random.random() < 0.85 else moment()
    died = at + 10.0 * step if random.random() < 0.9 else max(moment(), born + 1.0)
    cuts = sorted({born, died, *(each for each in _restarts(random, moment) if born < each < died)})
    lives = tuple((first, last - (random.random() * step if last != died else 0.0)) for first, last in pairwise(cuts))
    work = tuple(_work(random, moment(), step) for _ in range(random.choice((0, 0, 0, 1, 2))))
    return Server(
        pod=f"chat-{index}",
        instance=f"10.0.0.{index}:8000",
        lives=lives,
        work=tuple(each for each in work if any(first <= each.waits < last for first, last in lives)),
        away=spans(0.1),
        failing=spans(0.1),
        lacking=tuple((*each, random.randrange(3)) for each in spans(0.1)),
        renamed_at=moment() if random.random() < 0.15 else None,
        before=random.choice((0, 1, 7)),
    )


def _restarts(random: Random, moment: object) -> Sequence[float]:
    assert callable(moment)
    return [moment()] if random.random() < 0.1 else []


def _work(random: Random, begins: float, step: float) -> Work:
    waits = random.choice((0.0, 0.0, 0.5, 1.5)) * step * random.random()
    runs = random.choice((0.01, 0.5, 3.0)) * step * random.random()
    return Work(waits=begins, runs=begins + waits, ends=begins + waits + runs)


def stored(samples: Iterable[Samples]) -> str:
    """Samples of several worlds in the OpenMetrics format, as they are loaded into a Prometheus."""
    by_name: dict[str, list[str]] = {}
    for each in samples:
        for (name, labels), points in each.items():
            text = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels)
            by_name.setdefault(name, []).extend(f"{name}{{{text}}} {value} {at:.3f}" for at, value in points)
    # The format wants the samples of one metric together.
    parts = (f"# TYPE {name} unknown\n" + "\n".join(lines) + "\n" for name, lines in sorted(by_name.items()))
    return "".join(parts) + "# EOF\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
