"""The programs of tests/controlplane that need no API server: Prometheus and its tool."""

from tests.apiserver.conftest import finder, program, prometheus, promtool

__all__ = ["finder", "program", "prometheus", "promtool"]
