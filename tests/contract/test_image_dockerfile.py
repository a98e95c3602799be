"""What the Dockerfile says: stages, base, user, sources; and that the build's context holds what it copies."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from placewright import __version__
from tests.support.dockerfile import Dockerfile, parse

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dockerfile() -> Dockerfile:
    return parse((ROOT / "Dockerfile").read_text(encoding="utf-8"))


def test_both_stages_stand_on_one_slim_glibc_base_with_a_digest_to_be_given(dockerfile: Dockerfile) -> None:
    assert dockerfile.arguments["BASE_IMAGE"].startswith("python:3.11-slim-")
    assert dockerfile.arguments["BASE_DIGEST"] == "", "a digest is looked up by the release pipeline, never invented"
    assert [stage.base for stage in dockerfile.stages] == ["${BASE_IMAGE}${BASE_DIGEST:+@${BASE_DIGEST}}"] * 2
    assert "sha256:" not in "".join(stage.base for stage in dockerfile.stages)


def test_it_runs_as_a_number_that_is_not_root(dockerfile: Dockerfile) -> None:
    users = dockerfile.stages[-1].all("USER")
    assert len(users) == 1
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[0].text)
    after = [step.name for step in dockerfile.stages[-1].instructions]
    assert not {"RUN", "COPY", "ADD"} & set(after[after.index("USER") :])


def test_nothing_is_fetched_but_the_locked_packages(dockerfile: Dockerfile) -> None:
    for stage in dockerfile.stages:
        assert not stage.all("ADD")
        for step in stage.all("RUN"):
            assert not re.search(r"curl|wget|https?:|apt-get|git clone", step.text), step.text
            for install in re.findall(r"pip(?: --python \S+)? install.*?(?=&&|$)", step.text):
                assert "--no-deps" in install
                assert "--require-hashes" in install or "--no-index" in install, install
    assert not dockerfile.stages[-1].all("RUN")


def test_the_last_stage_takes_no_more_than_the_environment_and_its_entry_point(dockerfile: Dockerfile) -> None:
    last = dockerfile.stages[-1]
    taken = [step.text for step in last.all("COPY") if step.flags.get("from")]
    assert taken == ["/opt/placewright /opt/placewright"]
    assert last.pairs("ENV")["PYTHONSAFEPATH"] == "1"
    assert last.pairs("ENV")["PYTHONDONTWRITEBYTECODE"] == "1"
    entry = json.loads(last.all("ENTRYPOINT")[0].text)
    script = next(step for step in last.all("COPY") if step.heredoc)
    assert entry == [script.words[-1]]
    assert script.heredoc.rstrip().endswith('exec /opt/placewright/bin/placewright "$@"')


def test_kernels_are_compiled_for_the_cpu_that_the_runtime_asks_for(dockerfile: Dockerfile) -> None:
    first, last = dockerfile.stages
    wanted = f"NUMBA_CPU_NAME={last.pairs('ENV')['NUMBA_CPU_NAME']} "
    assert [wanted in step.text for step in first.all("RUN") if "warm" in step.text] == [True]


def test_labels_carry_the_version_of_the_package(dockerfile: Dockerfile) -> None:
    last = dockerfile.stages[-1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert last.pairs("ARG")["VERSION"] == project["version"] == __version__
    labels = last.pairs("LABEL")
    assert labels["org.opencontainers.image.version"] == "${VERSION}"
    assert labels["org.opencontainers.image.licenses"] == project["license"]
    assert labels["org.opencontainers.image.description"].split(",")[0] == project["description"].split(",")[0]


def test_the_build_backend_and_what_it_needs_are_in_the_lock(dockerfile: Dockerfile) -> None:
    lock = (ROOT / "requirements/dev.lock").read_text(encoding="utf-8")
    step = next(step.text for step in dockerfile.stages[0].all("RUN") if "hatchling" in step.text)
    names = re.search(r"\^\(([a-z|-]+)\)==", step)
    assert names is not None
    for name in names[1].split("|"):
        assert re.search(rf"^{name}==\S+ \\$", lock, flags=re.MULTILINE), name


def test_the_context_holds_what_is_copied_and_little_else(dockerfile: Dockerfile) -> None:
    rules = [
        line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line and line[0] != "#"
    ]
    assert rules[0] == "*"
    kept = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        source
        for stage in dockerfile.stages
        for step in stage.all("COPY")
        if "from" not in step.flags and not step.heredoc
        for source in step.words[:-1]
    }
    assert {source.replace("dev.lock", "*.lock").replace("runtime.lock", "*.lock") for source in copied} == kept
    for source in copied:
        assert (ROOT / source).exists(), source
