"""The part of the demo with a model that does nothing: what it burns, since when, and a reap that is only reported."""

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo import programs
from demo.calls import Calls, DemoError
from demo.crd import Json
from demo.model_server import ModelServer
from demo.operator_process import OperatorProcess
from demo.samples import condition, read_objects
from demo.show import Page
from demo.stand_in import StandIn
from demo.steps import until_right

_PAST_SECONDS = 60.0  # that the stand-in has scraped before the story begins
_SILENT_SECONDS = 5.0  # since the last request, when it begins: what is left of the window has to be waited for
_POD_SECONDS = 3600.0  # age of the Pods: they are not warming up


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the story needs besides the API.

    Attributes:
        program: the placewright program.
        env: environment of its commands, with the kubeconfig.
        metrics: is asked for the activity.
        patience_seconds: how long each step may take.
    """

    program: Path
    env: Mapping[str, str]
    metrics: StandIn
    patience_seconds: float


def tell(page: Page, folder: Path, tools: Tools, calls: Calls, operator: OperatorProcess) -> None:
    """Shows an idle model.

    Args:
        page: where it is shown.
        folder: with helpdesk.yaml.
        tools: see there.
        calls: on the API.
        operator: runs, with the tools' metrics as its Prometheus.

    Raises:
        DemoError: a step failed, or something is not as promised.
    """
    bodies = read_objects(folder / "helpdesk.yaml")
    if len(bodies) != 1 or "namespace" not in bodies[0]["metadata"]:
        raise DemoError(f"{folder / 'helpdesk.yaml'}: got {len(bodies)} objects, wants one request with a namespace")
    stage = _Stage(page, tools, calls, operator, bodies[0])
    page.line()
    page.paragraph(
        "Now an idle model: its plan is rendered and runs, and nobody asks anything of it any more. Its policy only"
        " reports. The script plays its Pods, and what Prometheus scrapes of them."
    )
    page.line()
    stage.start()
    stage.idle()
    stage.show_command()
    stage.ask_again()


class _Stage:
    """The steps, in order."""

    def __init__(self, page: Page, tools: Tools, calls: Calls, operator: OperatorProcess, body: Json) -> None:
        self._page = page
        self._tools = tools
        self._calls = calls
        self._operator = operator
        self._body = body
        self._key = (body["metadata"]["namespace"], body["metadata"]["name"])

    def start(self) -> None:
        """Its plan as objects, the Pods that would come of them, and servers that have just worked."""
        self._calls.create(self._body)
        self._until("to plan it", lambda: [] if self._plan() else [f"{self._key[1]} has no plan"])
        objects = self._rendered()
        workload = next((each for each in objects if each["kind"] == "Deployment"), None)
        if workload is None:
            raise DemoError(
                f"the plan is rendered to {', '.join(each['kind'] for each in objects)}, wants a Deployment"
            )
        now = time.time()
        pods = [_pod(workload, number, now) for number in range(workload["spec"]["replicas"])]
        self._tools.metrics.servers = tuple(self._server(pod, number, now) for number, pod in enumerate(pods))
        for pod in pods:
            self._calls.create(pod)
        plan = self._plan()
        self._page.progress(
            f"plan {plan['id']}: {_usd(plan['costPerHour'])}/h on {_gpus(plan)}; placewright render made"
            f" {' and '.join(each['kind'] for each in objects)} of it, {len(pods)} Pods run"
        )
        self._until("to see its traffic", lambda: self._faults("Active", "False", "TrafficSeen"))
        self._page.progress(f"{self._idle()['state']}, {self._idle()['reason']}: {self._idle()['message']}")

    def idle(self) -> None:
        """Nothing comes any more: told by every signal, with what it burns; and nothing is reaped."""
        self._page.progress(f"no more requests come; the last was {_SILENT_SECONDS:g} s before this look")
        self._until("to see that it idles", lambda: self._faults("Idle", "True", "NoTraffic"))
        told, plan = self._idle(), self._plan()
        wrong = [each["signal"] for each in told["signals"] if each["result"] != "Idle"]
        if not told.get("suggestions"):
            raise DemoError(f"{self._key[1]} idles, and nothing is suggested, wants a layout that would cost less")
        if wrong or "reapAt" in told:
            raise DemoError(
                f"it idles, but {', '.join(wrong) or 'a reap is announced'}, wants every signal and no reap"
            )
        self._page.progress(f"Idle, {told['reason']}: {told['message']}; last active {told['lastActive']}")
        self._until("to show in /metrics what it burns", lambda: self._burn_faults(plan["costPerHour"]))
        for line in self._burn_lines():
            self._page.line(line)
        pods = [key for key in self._calls.objects("Pod") if key[0] == self._key[0]]
        if len(pods) != len(self._tools.metrics.servers):
            raise DemoError(f"{len(pods)} Pods run, wants {len(self._tools.metrics.servers)}: Report touches nothing")
        self._page.progress(
            f"a reap (policy ScaleToZero, mode Apply) would save {_usd(plan['costPerHour'])}/h; the policy is Report,"
            f" so its {len(pods)} Pods run on"
        )

    def show_command(self) -> None:
        """The command that lists what burns money, and the card of one request."""
        namespace, name = self._key
        commands = (("idle", "-A"), ("idle", name, "-n", namespace))
        with ThreadPoolExecutor() as threads:  # each takes a second to start
            ends = list(threads.map(lambda each: programs.run(self._tools.program, *each, env=self._env), commands))
        burns = _usd(self._plan()["costPerHour"])
        for arguments, ended in zip(commands, ends, strict=True):
            self._page.line()
            self._page.line(f"$ placewright {' '.join(arguments)}")
            for line in ended.out.splitlines():
                self._page.line(f"  {line}")
            if ended.code != 0 or name not in ended.out or burns not in ended.out:
                told = " ".join(ended.err.split()) or f"no word of {name} and {burns}"
                raise DemoError(f"placewright {' '.join(arguments)} ended with {ended.code}: {told}")
        self._page.line()

    def ask_again(self) -> None:
        """A request comes, and it is active again."""
        for server in self._tools.metrics.servers:
            server.works(time.time())
        self._page.progress("somebody asks again")
        self._until("to see its traffic", lambda: self._faults("Active", "False", "TrafficSeen"))
        self._until("to show that it burns nothing", lambda: self._burn_faults(0.0))
        self._page.progress(f"Active: {self._idle()['message']}; it burns nothing")

    # ------------------------------------------------------------------------------------------------- what stands

    def _request(self) -> Json:
        return self._calls.objects("PlacementRequest")[self._key]

    def _plan(self) -> Json:
        plan: Json = self._request().get("status", {}).get("plan", {})
        return plan

    def _idle(self) -> Json:
        idle: Json = self._request().get("status", {}).get("idle", {})
        return idle

    def _faults(self, state: str, status: str, reason: str) -> list[str]:
        request = self._request()
        idle, idling = request.get("status", {}).get("idle", {}), condition(request, "Idle") or {}
        told = (idle.get("state"), idling.get("status"), idling.get("reason"))
        if told == (state, status, reason):
            return []
        return [f"it is {told[0]}, Idle={told[1]} {told[2]}: {idling.get('message')}"]

    def _burn_lines(self) -> list[str]:
        _, text = self._operator.get("/metrics")
        head = f'placewright_idle_burn_usd_per_hour{{name="{self._key[1]}",namespace="{self._key[0]}"}} '
        return [line for line in text.splitlines() if line.startswith(head)]

    def _burn_faults(self, wants: float) -> list[str]:
        lines = self._burn_lines()
        told = [float(line.rpartition(" ")[2]) for line in lines]
        return [] if told == [wants] else [f"/metrics tell {lines or 'nothing'}, wants {wants:g}"]

    # --------------------------------------------------------------------------------------------------- what is played

    def _rendered(self) -> list[Json]:
        """The stored plan as objects, by the command that GitOps would use."""
        given = json.dumps(self._request())
        ended = programs.run(
            self._tools.program, "render", "--present", "-f", "-", "-o", "json", env=self._env, given=given
        )
        if ended.code != 0:
            raise DemoError(f"placewright render ended with {ended.code}: {' '.join(ended.err.split())}")
        told = json.loads(ended.out)
        objects: list[Json] = told["items"]
        return objects

    def _server(self, pod: Json, number: int, now: float) -> ModelServer:
        server = ModelServer(
            namespace=self._key[0],
            pod=pod["metadata"]["name"],
            instance=f"10.0.0.{number + 1}:8000",
            model=self._body["spec"]["model"]["name"],
            began=now - _PAST_SECONDS,
        )
        server.works(now - _PAST_SECONDS, now - _SILENT_SECONDS)
        return server

    @property
    def _env(self) -> dict[str, str]:
        return {**self._tools.env, "COLUMNS": str(self._page.width - len("  "))}

    def _until(self, what: str, faults: Callable[[], list[str]]) -> None:
        until_right(self._operator, what, faults, self._tools.patience_seconds)


def _pod(workload: Json, number: int, now: float) -> Json:
    """A Pod as the Deployment's controller, scheduler and kubelet would have it after a while."""
    template: dict[str, Any] = workload["spec"]["template"]
    started = datetime.fromtimestamp(now - _POD_SECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **template["metadata"],
            "name": f"{workload['metadata']['name']}-{number}",
            "namespace": workload["metadata"]["namespace"],
        },
        "spec": template["spec"],
        "status": {
            "phase": "Running",
            "startTime": started,
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": started}],
        },
    }


def _gpus(plan: Json) -> str:
    return " and ".join(f"{count} GPUs of {pool}" for pool, count in plan["gpusByPool"].items())


def _usd(value: float) -> str:
    """As commands show it."""
    return f"${value:,.2f}"
