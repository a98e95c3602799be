"""Sources of live prices: tables in files and ConfigMaps, OpenCost, Prometheus. `docs/prices.md` says more."""

from placewright.telemetry.prices.errors import PriceSourceError

__all__ = ["PriceSourceError"]
