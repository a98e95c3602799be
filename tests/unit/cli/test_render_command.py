"""`placewright render`: plans, prints objects for GitOps, and refuses in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from placewright.cli.render import _PRECISIONS, _RUNTIMES
from placewright.core.performance.precision import PRECISIONS
from placewright.kube.manifests import ENGINES

Run = Callable[..., Result]
Chat = Callable[..., dict[str, Any]]
Write = Callable[..., Path]
IMAGE = ("--image", "example.com/engine:1")


def kinds(done: Result) -> list[str]:
    assert (done.exit_code, done.stderr) == (0, "")
    return [each["kind"] for each in yaml.safe_load_all(done.stdout)]


def refused(done: Result, code: int = 2) -> str:
    """The only line of a refusal."""
    assert done.exit_code == code
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return str(line)


def test_the_choices_are_those_of_the_renderer() -> None:
    assert tuple(ENGINES) == _RUNTIMES
    assert tuple(PRECISIONS) == _PRECISIONS


def test_what_is_printed_is_the_plan_that_plan_decides(run: Run, chat: Chat, file: Write) -> None:
    given = file(chat())
    planned = json.loads(run("plan", "-f", given, "-o", "json").stdout)["items"][0]["status"]["plan"]
    done = run("render", "-f", given, *IMAGE)
    assert kinds(done) == ["Deployment", "Service"]
    deployment = next(yaml.safe_load_all(done.stdout))
    assert deployment["metadata"]["labels"]["placewright.dev/plan"] == planned["id"]
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert [each for each in arguments if each in planned["layouts"][0]["engineArgs"]] == (
        planned["layouts"][0]["engineArgs"]
    )
    assert done.stdout.startswith("---\n")
    assert "&id" not in done.stdout


def test_json_is_a_list(run: Run, chat: Chat, file: Write) -> None:
    done = run("render", "-f", file(chat()), *IMAGE, "-o", "json")
    listed = json.loads(done.stdout)
    assert (listed["apiVersion"], listed["kind"]) == ("v1", "List")
    as_yaml = run("render", "-f", file(chat()), *IMAGE).stdout
    assert listed["items"] == list(yaml.safe_load_all(as_yaml))


def test_several_requests_come_in_the_order_of_the_files(run: Run, chat: Chat, file: Write) -> None:
    done = run("render", "-f", file(chat("b"), chat("a")), *IMAGE, "-n", "serving")
    assert kinds(done) == ["Deployment", "Service"] * 2
    objects = list(yaml.safe_load_all(done.stdout))
    assert [each["metadata"]["name"] for each in objects[1::2]] == ["b", "a"]
    assert {each["metadata"]["namespace"] for each in objects} == {"serving"}


def test_stdin_is_read(run: Run, chat: Chat) -> None:
    assert kinds(run("render", "-f", "-", *IMAGE, stdin=yaml.safe_dump(chat()))) == ["Deployment", "Service"]


def test_a_fleet_is_rendered_from_its_pools(run: Run, member: Chat, gpu_pool: Chat, file: Write) -> None:
    given = file(gpu_pool(), member("a", rps=1.0), member("b", rps=1.0))
    done = run("render", "-f", given, *IMAGE)
    assert kinds(done) == ["Deployment", "Service"] * 2


# ---------------------------------------------------------------------------------------------------- what is refused


def test_without_an_image(run: Run, chat: Chat, file: Write) -> None:
    assert refused(run("render", "-f", file(chat()))) == (
        "error: default/chat: no image is given: give --image or spec.render.image, such as registry/name:tag"
    )


def test_a_blocked_plan_ends_with_the_code_of_gates(run: Run, chat: Chat, file: Write) -> None:
    given = file(chat(gates={"maxCostPerHour": 0.1}))
    assert "is blocked by a gate: relax spec.gates" in refused(run("render", "-f", given, *IMAGE), 3)


def test_no_plan_ends_with_the_code_of_infeasible(run: Run, chat: Chat, file: Write) -> None:
    given = file(chat(model={"name": "meta-llama/Llama-3.1-405B-Instruct"}))
    line = refused(run("render", "-f", given, *IMAGE), 4)
    assert line.startswith("error: default/chat: there is no plan to render: ")
    assert line.endswith("placewright explain says more")


def test_one_refused_request_keeps_all_from_being_printed(run: Run, chat: Chat, file: Write) -> None:
    given = file(chat("good"), chat("bad", gates={"maxCostPerHour": 0.1}))
    assert "default/bad" in refused(run("render", "-f", given, *IMAGE), 3)


def test_runtime_any(run: Run, chat: Chat, file: Write) -> None:
    given = file(chat(parallelism={"runtime": "any"}))
    assert refused(run("render", "-f", given, *IMAGE)).endswith("set spec.parallelism.runtime: vllm")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--image", "a b"), "--image: got 'a b', wants an image such as registry/name:tag"),
        (("--hostname", "a.example.com"), "--hostname wants --route"),
        (("--backends", "inference-pools"), "--backends wants --route"),
        (("--route", "Public"), "--route: got 'Public', wants lower-case letters"),
        (("--route", "a/"), "--route: got '', wants lower-case letters"),
        (("--route", "a", "--hostname", "A_b"), "--hostname: got 'A_b', wants a host name"),
        (("--cache-claim", "my claim"), "--cache-claim: got 'my claim', wants"),
        (("--token-secret", "/key"), "--token-secret: got '', wants"),
        (("--token-secret", "name/a b"), "--token-secret: got 'a b', wants the key of a"),
        (("--model", "fp8="), "--model: got 'fp8=', wants a repository or a path"),
        (("--model", "a/b", "--model", "a/c"), "--model: got two for all precisions, wants one"),
        (("--model", "fp8=a/b", "--model", "fp8=a/c"), "--model: got two for fp8, wants one"),
        (("--runtime", "tgi"), "'tgi' is not one of"),
        (("--start-within", "soon"), "got 'soon', wants a duration"),
        (("--present", "--method", "exact"), "--method is about planning, and --present plans nothing"),
        (("--present", "--keep-present"), "--keep-present is about planning"),
        (("--present", "--cost-weight", "0"), "--cost-weight is about planning"),
        (("--config-dir", "x"), "--config-dir names no model"),
    ],
)
def test_bad_options(run: Run, chat: Chat, file: Write, options: tuple[str, ...], said: str) -> None:
    source = () if "--config-dir" in options else ("-f", file(chat()))
    assert said in refused(run("render", *source, *options))


def test_no_source(run: Run) -> None:
    assert "wants" in refused(run("render", *IMAGE))


def test_a_fault_in_a_file_is_told_as_by_plan(run: Run, chat: Chat, file: Write) -> None:
    given = file(chat(workload={"inputTokens": -1, "outputTokens": 1}))
    assert refused(run("render", "-f", given, *IMAGE)) == run("plan", "-f", given).stderr.strip()


# ------------------------------------------------------------------------------------------- plans that are there


def with_status(run: Run, body: dict[str, Any], file: Write) -> dict[str, Any]:
    listed = json.loads(run("plan", "-f", file(body), "-o", "json").stdout)
    return {**body, "status": listed["items"][0]["status"]}


def test_a_present_plan_is_rendered_as_it_is(run: Run, chat: Chat, file: Write) -> None:
    decided = with_status(run, chat(), file)
    printed = run("render", "-f", file(chat()), *IMAGE).stdout
    assert run("render", "-f", file(decided), *IMAGE, "--present").stdout == printed
    # Another price would be another plan; the one of the status stays.
    dearer = [{**decided["spec"]["pools"][0], "pricePerGPUHour": 9.0}]
    changed = {**decided, "spec": {**decided["spec"], "pools": dearer}}
    assert run("render", "-f", file(changed), *IMAGE, "--present").stdout == printed


def test_present_without_a_plan(run: Run, chat: Chat, file: Write) -> None:
    line = refused(run("render", "-f", file(chat()), *IMAGE, "--present"))
    assert "the status holds no plan" in line
    assert "kubectl get -o yaml" in line


def test_present_with_a_spoiled_status(run: Run, chat: Chat, file: Write) -> None:
    body = {**chat(), "status": {"plan": {"id": "p-1"}}}
    assert "is not as Placewright writes it" in refused(run("render", "-f", file(body), *IMAGE, "--present"))


@pytest.mark.parametrize("options", [(), ("--present",)])
def test_a_suspended_request_is_left_out_with_a_note(
    run: Run, chat: Chat, file: Write, options: tuple[str, ...]
) -> None:
    done = run("render", "-f", file(chat(suspend=True)), *IMAGE, *options)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "note: default/chat is suspended: nothing is rendered for it\n"


def test_a_route_with_all_its_options(run: Run, chat: Chat, file: Write) -> None:
    options = ("--route", "gateways/public", "--hostname", "*.example.com", "--backends", "inference-pools")
    done = run("render", "-f", file(chat()), *IMAGE, *options)
    assert kinds(done) == ["Deployment", "InferencePool", "HTTPRoute"]
    route = list(yaml.safe_load_all(done.stdout))[-1]["spec"]
    assert route["parentRefs"] == [{"name": "public", "namespace": "gateways"}]
    assert route["hostnames"] == ["*.example.com"]


# ------------------------------------------------------------------------------------------------- spec.render


RENDER = {
    "image": "example.com/own:1",
    "runtime": "sglang",
    "checkpoint": "own/model",
    "cacheClaim": "claim",
    "tokenSecret": {"name": "hugging-face", "key": "hf"},
    "startWithin": "10m",
    "route": {"gateway": {"name": "public"}, "hostnames": ["chat.example.com"], "backends": "InferencePools"},
}


def test_the_request_says_how_it_is_started(run: Run, chat: Chat, file: Write) -> None:
    done = run("render", "-f", file(chat(render=RENDER)))
    assert kinds(done) == ["Deployment", "InferencePool", "HTTPRoute"]
    options = (
        *("--image", "example.com/own:1", "--runtime", "sglang", "--model", "own/model", "--cache-claim", "claim"),
        *("--token-secret", "hugging-face/hf", "--start-within", "10m", "--route", "public"),
        *("--hostname", "chat.example.com", "--backends", "inference-pools"),
    )
    assert run("render", "-f", file(chat()), *options).stdout == done.stdout


def test_options_win_over_what_the_request_says(run: Run, chat: Chat, file: Write) -> None:
    done = run("render", "-f", file(chat(render={"image": "example.com/own:1"})), "--image", "example.com/other:1")
    assert "image: example.com/other:1" in done.stdout
    assert "example.com/own:1" not in done.stdout


def test_each_request_has_its_own(run: Run, chat: Chat, file: Write) -> None:
    given = file(chat("a", render={"image": "example.com/a:1"}), chat("b", render={"image": "example.com/b:1"}))
    objects = list(yaml.safe_load_all(run("render", "-f", given).stdout))
    images = [each["spec"]["template"]["spec"]["containers"][0]["image"] for each in objects[::2]]
    assert images == ["example.com/a:1", "example.com/b:1"]


def test_how_it_is_started_changes_no_plan(run: Run, chat: Chat, file: Write) -> None:
    def planned(body: dict[str, Any]) -> Any:
        status = json.loads(run("plan", "-f", file(body), "-o", "json").stdout)["items"][0]["status"]
        return status["plan"]["id"], status["inputs"]["hash"]

    assert planned(chat(render=RENDER)) == planned(chat())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"image": "a b"}, "spec.render.image: got 'a b', wants an image such as registry/name:tag"),
        ({"checkpoint": "--port=1"}, "spec.render.checkpoint: got '--port=1', wants a repository or a path"),
        ({"runtime": "tgi"}, "spec.render.runtime: got 'tgi', wants"),
        ({"target": "Auto"}, "spec.render.target"),
        ({"route": {"gateway": {"name": "g"}, "hostnames": ["A_b"]}}, "wants a host name such as chat.example.com"),
        ({"route": {"gateway": {"name": "g"}, "backends": "Pods"}}, "spec.render.route.backends: got 'Pods'"),
        ({"tokenSecret": {"key": "hf"}}, "spec.render.tokenSecret.name: got nothing"),
        ({"startWithin": "soon"}, "spec.render.startWithin: got 'soon', wants a duration"),
        ({"checkpoints": [{"precision": "fp7", "name": "a/b"}]}, "spec.render.checkpoints[0].precision: got 'fp7'"),
    ],
)
def test_a_fault_in_it_is_told_with_its_field(
    run: Run, chat: Chat, file: Write, fields: dict[str, Any], said: str
) -> None:
    assert said in refused(run("render", "-f", file(chat(render=fields))))
