"""The workload of one layout: a Deployment where a replica is one Pod, a LeaderWorkerSet where it is several."""

from dataclasses import dataclass

from placewright.core.model import Groups
from placewright.kube.manifests import names, pods
from placewright.kube.manifests.checkpoints import checkpoint
from placewright.kube.manifests.runtimes import Engine
from placewright.kube.manifests.runtimes.base import Launch, Start
from placewright.kube.manifests.values import Manifest, Serving, Settings, Site, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A layout that is being rendered.

    Attributes:
        work: the plan that it is of.
        layout: itself.
        stages: in each Pod.
        engine: what starts it.
        settings: what the user chose.
    """

    work: Work
    layout: Serving
    stages: int
    engine: Engine
    settings: Settings

    @property
    def pods(self) -> int:
        """Pods of one replica."""
        return len(self.layout.stages) // self.stages

    @property
    def gpus(self) -> int:
        """GPUs of one Pod."""
        return self.stages * self.layout.tensor_parallel

    @property
    def pools(self) -> dict[str, Groups]:
        """Pods of one replica by pool: (GPUs of a Pod, how many)."""
        count: dict[str, int] = {}
        for first in range(0, len(self.layout.stages), self.stages):
            pool = self.layout.stages[first].pool
            count[pool] = count.get(pool, 0) + 1
        return {pool: ((self.gpus, pods),) for pool, pods in count.items()}

    @property
    def digest(self) -> str:
        """Tells this layout from all others of the request; the number of replicas is no part of it.

        What the user chose to start Pods with takes part, so that a new image or other weights are another workload,
        which is Ready before the one before goes.
        """
        layout, given = self.layout, self.settings
        content = {
            "request": self.work.name,
            "runtime": self.engine.name,
            "precision": layout.precision,
            "stages": [[stage.pool, stage.tensor_parallel, stage.layers] for stage in layout.stages],
            "args": layout.engine_args,
            "env": layout.env,
            "pods": self.pods,
            "image": given.image,
            "models": dict(given.models),
            "cache": given.cache_claim,
            "token": [given.token_secret, given.token_key],
            "start": given.start_seconds,
        }
        return names.digest(content)

    @property
    def name(self) -> str:
        """Name of the workload."""
        return names.workload_name(self.work.name, self.digest)

    def site(self, *, leads: bool) -> Site:
        """Where the leader stands, or the other Pods."""
        return self.work.sites[self.layout.stages[0 if leads else -1].pool]

    def start(self, *, leads: bool) -> Start:
        """How the leader is started, or the other Pods."""
        return self.engine.start(
            Launch(
                layout=self.layout,
                layers_known=self.work.layers is not None,
                model=checkpoint(self.work, self.layout, self.settings),
                served_name=self.work.model.replace("$", "$$"),  # $(NAME) would be a variable of Kubernetes
                pods=self.pods,
                leads=leads,
                vendor=self.site(leads=leads).vendor,
            )
        )

    def template(self, *, leads: bool) -> Manifest:
        """The Pods that answer requests, or those that compute only."""
        role = names.SERVING if leads else names.WORKER
        pod = pods.Pod(
            labels=names.pod_labels(self.work.name, self.digest, self.work.model, self.engine.name, role),
            site=self.site(leads=leads),
            gpus=self.gpus,
            engine=self.engine,
            start=self.start(leads=leads),
            settings=self.settings,
            files_of=self.name,
            leads=leads,
            grouped=self.pods > 1,
        )
        return pods.template(pod)


def workload(part: Part, metadata: Manifest) -> Manifest:
    """The workload with this metadata; errors as of `Part.template`."""
    return deployment(part, metadata) if part.pods == 1 else leader_worker_set(part, metadata)


def deployment(part: Part, metadata: Manifest) -> Manifest:
    """One Pod for each replica. It is updated in place, within the GPUs that the plan has."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": part.layout.replicas,
            "progressDeadlineSeconds": int(part.settings.start_seconds) + 600,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "selector": {"matchLabels": names.selector_of(part.work.name, part.digest)},
            "template": part.template(leads=True),
        },
    }


def leader_worker_set(part: Part, metadata: Manifest) -> Manifest:
    """A group of Pods for each replica; when one of them fails, its group starts anew."""
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": metadata,
        "spec": {
            "replicas": part.layout.replicas,
            "startupPolicy": "LeaderCreated",
            "rolloutStrategy": {
                "type": "RollingUpdate",
                "rollingUpdateConfiguration": {"maxSurge": 0, "maxUnavailable": 1},
            },
            "leaderWorkerTemplate": {
                "size": part.pods,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": part.template(leads=True),
                "workerTemplate": part.template(leads=False),
            },
        },
    }


def config_map(part: Part, metadata: Manifest) -> Manifest | None:
    """The files of the engine; None when it has none."""
    files = dict(part.start(leads=True).files)
    if not files:
        return None
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files}
