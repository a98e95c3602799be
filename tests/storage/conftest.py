"""A real S3-compatible server, shared by the tests of this folder; each has a bucket of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.apiserver.conftest import finder, program
from tests.support.s3_server import S3Server

__all__ = ["finder", "program"]


@pytest.fixture(scope="session")
def gateway_program(program: Callable[[str], Path]) -> Path:
    return program("versitygw")


@pytest.fixture(scope="module")
def server(gateway_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(gateway_program, tmp_path_factory.mktemp("s3")) as started:
        yield started


@pytest.fixture
def locked_bucket(server: S3Server, request: pytest.FixtureRequest) -> str:
    """A new bucket with object lock."""
    name = "audit-" + "".join(letter if letter.isalnum() else "-" for letter in request.node.name.lower())[:50].strip(
        "-"
    )
    server.client.make_bucket(name, object_lock=True)
    return name


@pytest.fixture
def own_server(gateway_program: Path, tmp_path: Path) -> Iterator[Callable[[], S3Server]]:
    """Makes a server that a test stops and starts by itself."""
    made: list[S3Server] = []

    def make() -> S3Server:
        made.append(S3Server(gateway_program, tmp_path / f"s3-{len(made)}"))
        return made[-1]

    yield make
    for each in made:
        each.close()
