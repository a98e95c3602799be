"""Finds a catalog row by key or alias, and says what was probably meant when there is none."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import takewhile

from placewright.core.errors import PlacewrightError

_NEAR = 0.55  # similarity (0..1) from which a name is worth suggesting
_SUGGESTIONS = 3
_PREFIX = 4  # leading letters that earn a bonus


class UnknownKeyError(PlacewrightError, ValueError):
    """No row of the catalog has this key or alias.

    Attributes:
        kind: what was looked up, as a user calls it (`GPU`, `model`).
        key: what was asked for.
        suggestions: nearest canonical keys, best first; may be empty.
    """

    def __init__(self, kind: str, key: str, *, suggestions: tuple[str, ...], hint: str) -> None:
        said = f"did you mean {', '.join(suggestions)}?" if suggestions else hint
        super().__init__(f"unknown {kind} {key!r}; {said}")
        self.kind = kind
        self.key = key
        self.suggestions = suggestions


def normalized(key: str) -> str:
    """The form in which keys are compared: no case, and spaces and underscores as hyphens."""
    return key.strip().casefold().replace("_", "-").replace(" ", "-")


class Index:
    """Canonical keys by every name they go by; two rows that claim one name are an error of the data."""

    def __init__(self, kind: str, names: Iterable[tuple[str, str]], *, hint: str) -> None:
        """Index (canonical key, name) pairs; `hint` ends the error when nothing is near."""
        self._kind = kind
        self._hint = hint
        self._canonical: dict[str, str] = {}
        for canonical, name in names:
            other = self._canonical.setdefault(normalized(name), canonical)
            if other != canonical:
                raise ValueError(f"{kind} catalog: {name!r} names both {other} and {canonical}")

    def resolve(self, key: str) -> str:
        """The canonical key, or `UnknownKeyError` with the nearest ones."""
        found = self._canonical.get(normalized(key))
        if found is None:
            raise UnknownKeyError(self._kind, key, suggestions=self._nearest(normalized(key)), hint=self._hint)
        return found

    def _nearest(self, wanted: str) -> tuple[str, ...]:
        best: dict[str, float] = {}
        for name, canonical in self._canonical.items():
            best[canonical] = max(best.get(canonical, 0.0), _similarity(name, wanted))
        ranked = sorted(best.items(), key=lambda entry: (-entry[1], entry[0]))
        return tuple(canonical for canonical, similarity in ranked[:_SUGGESTIONS] if similarity >= _NEAR)


def _similarity(name: str, wanted: str) -> float:
    """Likeness of two names, 0..1, with Winkler's bonus: people mistype the end of a name more than its beginning."""
    ratio = SequenceMatcher(a=name, b=wanted, autojunk=False).ratio()
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(name[:_PREFIX], wanted, strict=False)))
    return ratio + 0.1 * shared * (1.0 - ratio)
