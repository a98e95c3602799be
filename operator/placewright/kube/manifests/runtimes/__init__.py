"""The runtimes that a plan can be started with, each in a file of its own."""

from types import MappingProxyType
from typing import Final

from placewright.kube.manifests.runtimes import sglang, triton, vllm
from placewright.kube.manifests.runtimes.base import Engine

ENGINES: Final = MappingProxyType({engine.name: engine for engine in (vllm.ENGINE, sglang.ENGINE, triton.ENGINE)})
"""By name."""

__all__ = ["ENGINES", "Engine"]
