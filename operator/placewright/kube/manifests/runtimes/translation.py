"""The plan's flags in the words of other runtimes."""

from collections.abc import Mapping
from dataclasses import dataclass

from placewright.kube.manifests import flags
from placewright.kube.manifests.refusal import RenderRefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Dictionary:
    """What a runtime calls the plan's flags.

    Attributes:
        runtime: its name.
        words: its flag by vLLM's.
        left_out: vLLM's flags that it has no need of, and why.
        refused: vLLM's flags that it cannot follow, and what to change.
        tolerated: values of refused flags that it follows by itself.
    """

    runtime: str
    words: Mapping[str, str]
    left_out: Mapping[str, str]
    refused: Mapping[str, str]
    tolerated: Mapping[str, frozenset[str]]

    def translated(self, arguments: tuple[str, ...]) -> list[str]:
        """The plan's flags in this runtime's words, in the plan's order.

        Raises:
            RenderRefusedError: a flag has no counterpart.
        """
        result = []
        for name, value in flags.parsed(arguments).items():
            if name in self.words:
                result.append(f"{self.words[name]}={value}")
            elif name in self.left_out or value in self.tolerated.get(name, frozenset()):
                continue
            else:
                raise RenderRefusedError(
                    f"the plan wants {name}={value}, which {self.runtime} cannot follow",
                    change=self.refused.get(name, "render it with --runtime vllm"),
                )
        return result
