"""What is refused rather than rendered."""

from typing import Final

from placewright.core.errors import PlacewrightError

REASON: Final = "RenderRefused"
"""The condition reason, event reason and audit key of a refusal."""


class RenderRefusedError(PlacewrightError):
    """What was asked for could not start, or not as planned; nothing was rendered.

    Attributes:
        fault: what is wrong.
        change: what to change, and to what.
    """

    def __init__(self, fault: str, *, change: str) -> None:
        super().__init__(f"{fault}: {change}")
        self.fault = fault
        self.change = change
