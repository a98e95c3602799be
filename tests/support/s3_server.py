"""A real S3-compatible server with object lock: the Versity gateway over a folder."""

import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from minio import Minio
from minio.credentials.providers import StaticProvider
from minio.error import MinioException, S3Error
from urllib3 import PoolManager, Retry
from urllib3.exceptions import HTTPError

from placewright.telemetry.audit.bucket_client import S3Bucket
from tests.controlplane.ports import PortReservation
from tests.controlplane.processes import ManagedProcess, wait_until

ACCESS, SECRET = "placewright", "not-a-secret-but-hidden"
REGION = "us-east-1"


class S3Server:
    """The gateway: objects live in a folder, with versions beside it, so that a restart keeps them."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._ports = PortReservation()
        data, versions = folder / "data", folder / "versions"
        for each in (data, versions):
            each.mkdir(parents=True)
        self.process = ManagedProcess(
            "versitygw",
            [
                *(str(program), "--access", ACCESS, "--secret", SECRET, "--region", REGION),
                *("--port", f"127.0.0.1:{self._ports.port}", "--quiet"),
                *("posix", "--versioning-dir", str(versions), str(data)),
            ],
            folder / "versitygw.log",
        )

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._ports.port}"

    @property
    def client(self) -> Minio:
        return Minio(
            self.endpoint.removeprefix("http://"),
            ACCESS,
            SECRET,
            secure=False,
            region=REGION,
            http_client=PoolManager(timeout=10, retries=Retry(0)),
        )

    def bucket(self, name: str) -> S3Bucket:
        return S3Bucket(name, endpoint=self.endpoint, credentials=StaticProvider(ACCESS, SECRET))

    def start(self) -> None:
        self.process.start()
        wait_until(self._answers, 60, "the S3 server to answer")

    def stop(self) -> None:
        self.process.stop(2)

    def close(self) -> None:
        self.stop()
        self._ports.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answers(self) -> bool:
        self.process.check()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._ports.port), timeout=1):
            try:
                self.client.list_buckets()
            except (HTTPError, MinioException):
                return False
            return True
        return False


def refused(call: Callable[[], object]) -> str:
    """The code with which the server refuses; empty: it does not."""
    try:
        call()
    except S3Error as error:
        return str(error.code)
    return ""
