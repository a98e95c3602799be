"""Bounds the fight with another writer of our statuses: ours is put back, but ever more slowly."""

from placewright.telemetry.views import Key

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_FORGOTTEN_AFTER_SECONDS = 120.0


class Rivals:
    """Decides when a status that somebody else has overwritten may be put back."""

    def __init__(self) -> None:
        self._fights: dict[Key, tuple[float, float]] = {}  # key -> (last time it was put back, pause after that)

    def pause_seconds(self, key: Key, now: float) -> float:
        """How long to wait still before the status is put back; 0: now, and the next pause is twice as long."""
        at, pause = self._fights.get(key, (float("-inf"), 0.0))
        if now - at > _FORGOTTEN_AFTER_SECONDS:
            self._fights[key] = (now, _FIRST_PAUSE_SECONDS)
            return 0.0
        if now - at < pause:
            return pause - (now - at)
        self._fights[key] = (now, min(2.0 * pause, _LONGEST_PAUSE_SECONDS))
        return 0.0

    def forget(self, key: Key) -> None:
        """The object is gone or has a new spec."""
        self._fights.pop(key, None)
