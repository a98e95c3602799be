"""What a runtime says of itself, and what it needs to start a layout."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from placewright.kube.manifests.values import Serving

LEADER_ADDRESS: Final = "$(LWS_LEADER_ADDRESS)"
"""Set by LeaderWorkerSet in each container; Kubernetes puts the value in."""

RANK_VARIABLE: Final = "NODE_RANK"
"""Set from the label that LeaderWorkerSet gives each Pod of a group; 0 is the leader."""

ADDRESS_VARIABLE: Final = "POD_IP"
"""The Pod's own address, for the engines that have to tell it to the others of their group."""

LEADER_RANK: Final = "0"
WORKER_RANK: Final = f"$({RANK_VARIABLE})"
OWN_ADDRESS: Final = f"$({ADDRESS_VARIABLE})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One container that is to be started.

    Attributes:
        layout: what it serves.
        layers_known: whether the stages hold the model's own layers; where nobody said how many it has, the engine
            splits them itself.
        model: repository or path that the engine loads.
        served_name: what clients call the model.
        pods: of one replica.
        leads: whether it answers requests; the others of a replica compute only.
        vendor: maker of the GPUs.
    """

    layout: Serving
    layers_known: bool
    model: str
    served_name: str
    pods: int
    leads: bool
    vendor: str

    @property
    def rank(self) -> str:
        """Place of the Pod in its replica, as an argument."""
        return LEADER_RANK if self.leads else WORKER_RANK


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a container is started.

    Attributes:
        command: the program.
        args: its arguments, each flag once.
        env: variables by name.
        files: texts by file name, for FILES_FOLDER.
    """

    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


FILES_FOLDER: Final = "/etc/placewright"
"""Where the files of a Start are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A runtime.

    Attributes:
        name: as users write it, and the label app.kubernetes.io/name.
        port: of requests, health and metrics.
        health_path: answers 200 once the model is loaded.
        metrics_path: for Prometheus.
        start: how it starts a layout; raises RenderRefusedError for what it cannot do.
    """

    name: str
    port: int
    health_path: str
    metrics_path: str
    start: Callable[[Launch], Start]
