"""Kinds of values that a cell may hold: how each is read, and how it is called in a fault."""

from dataclasses import dataclass
from math import inf, isfinite
from typing import Protocol

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


class Value(Protocol):
    """One kind of value."""

    @property
    def wants(self) -> str:
        """What may stand there, in words."""

    def read(self, text: str) -> object:
        """Return the value; raises ValueError when the text is none."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number; `32.0` is one, as spreadsheets write it."""

    least: int = 1

    @property
    def wants(self) -> str:
        """What may stand there, in words."""
        return f"a whole number of at least {self.least}"

    def read(self, text: str) -> int:
        """Return the number; raises ValueError."""
        try:
            number = int(text)
        except ValueError:
            real = float(text)
            if not (isfinite(real) and real.is_integer()):
                raise ValueError(self.wants) from None
            number = int(real)
        if number < self.least:
            raise ValueError(self.wants)
        return number


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number above a bound, or at least a bound and at most another."""

    above: float = -inf
    least: float = -inf
    most: float = inf

    @property
    def wants(self) -> str:
        """What may stand there, in words."""
        if self.above > -inf:
            return f"a number above {self.above:g}"
        if self.most < inf:
            return f"a number from {self.least:g} to {self.most:g}"
        return f"a number of at least {self.least:g}"

    def read(self, text: str) -> float:
        """Return the number; raises ValueError."""
        number = float(text)
        if not (isfinite(number) and number > self.above and self.least <= number <= self.most):
            raise ValueError(self.wants)
        return number


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    wants: str = "true or false"

    def read(self, text: str) -> bool:
        """Return the truth value; raises ValueError."""
        word = text.casefold()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise ValueError(self.wants)


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few whole numbers."""

    choices: tuple[int, ...]

    @property
    def wants(self) -> str:
        """What may stand there, in words."""
        return f"one of {', '.join(str(choice) for choice in self.choices)}"

    def read(self, text: str) -> int:
        """Return the number; raises ValueError."""
        number = Whole(least=min(self.choices)).read(text)
        if number not in self.choices:
            raise ValueError(self.wants)
        return number


@dataclass(frozen=True, slots=True)
class Text:
    """Anything but nothing."""

    wants: str = "text"

    def read(self, text: str) -> str:
        """Return the text; raises ValueError when it is empty."""
        if not text:
            raise ValueError(self.wants)
        return text
