"""Placewright: proved, gated and explained GPU layouts for serving LLMs."""

from typing import Final

__version__: Final = "0.1.0"
