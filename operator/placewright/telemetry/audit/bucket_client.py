"""The few calls on an S3-compatible bucket, with faults in one line each."""

import io
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from placewright.core.errors import InvalidRequestError, PlacewrightError

if TYPE_CHECKING:
    from minio import Minio
    from minio.credentials.providers import Provider

DEFAULT_ENDPOINT: Final = "https://s3.amazonaws.com"
_CONNECT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 20.0
_NO_LOCK: Final = "ObjectLockConfigurationNotFoundError"


class BucketError(PlacewrightError):
    """The bucket does not take or give what it should; the text says why. Try again later."""


class Bucket(Protocol):
    """What the sink needs of a bucket. Every method raises BucketError."""

    def check(self) -> None:
        """Make sure that objects can be locked."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Return the keys of all objects below a prefix."""
        ...

    def put(self, key: str, data: bytes, locked_until: datetime) -> None:
        """Store an object that nobody can delete or overwrite before this time."""
        ...

    def get(self, key: str) -> bytes:
        """Return an object."""
        ...


class S3Bucket:
    """A bucket by the S3 protocol.

    Credentials come from the environment (`AWS_ACCESS_KEY_ID`, ...), the AWS configuration file, or the identity that
    the cluster or the machine gives (web identity, container, instance).

    Args:
        name: of the bucket.
        endpoint: URL of the server.
        credentials: where to get them instead.

    Raises:
        InvalidRequestError: the endpoint is no such URL, or the library is not installed.
    """

    def __init__(self, name: str, *, endpoint: str = DEFAULT_ENDPOINT, credentials: "Provider | None" = None) -> None:
        self._name = name
        self._client = _client(endpoint, credentials)

    def check(self) -> None:
        """Make sure that the bucket has object lock."""
        from minio.error import S3Error  # noqa: PLC0415 - heavy, and an optional part of an installation

        try:
            with _told():
                self._client.get_object_lock_config(self._name)
        except BucketError as error:
            cause = error.__cause__
            if isinstance(cause, ValueError):
                return  # there is a configuration: some servers write an empty default rule, which the library refuses
            code = cause.code if isinstance(cause, S3Error) else ""
            if code == _NO_LOCK:
                raise BucketError(f"bucket {self._name} has no object lock: make one with it enabled") from cause
            if code != "AccessDenied":  # who may only write learns from the first upload
                raise

    def keys(self, prefix: str) -> Iterator[str]:
        """Return the keys of all objects below a prefix."""
        with _told():
            for each in self._client.list_objects(self._name, prefix=prefix, recursive=True):
                if each.object_name is not None:
                    yield each.object_name

    def put(self, key: str, data: bytes, locked_until: datetime) -> None:
        """Store an object, locked in COMPLIANCE mode."""
        from minio.commonconfig import COMPLIANCE  # noqa: PLC0415 - as above
        from minio.retention import Retention  # noqa: PLC0415

        with _told():
            self._client.put_object(
                self._name,
                key,
                io.BytesIO(data),
                len(data),
                content_type="application/x-ndjson",
                retention=Retention(COMPLIANCE, locked_until),
            )

    def get(self, key: str) -> bytes:
        """Return an object."""
        with _told():
            response = self._client.get_object(self._name, key)
            try:
                return response.read()
            finally:
                response.close()
                response.release_conn()


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the library raises into one line. Its errors hold no credentials; headers are left out all the same."""
    from minio.error import MinioException, S3Error  # noqa: PLC0415 - as above
    from urllib3.exceptions import HTTPError, MaxRetryError  # noqa: PLC0415

    try:
        yield
    except S3Error as error:
        raise BucketError(f"{error.code}: {error.message} ({error.resource})") from error
    except MaxRetryError as error:
        raise BucketError(f"no answer: {type(error.reason).__name__}") from error
    except (MinioException, HTTPError, OSError, ValueError) as error:
        raise BucketError(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error


def _client(endpoint: str, credentials: "Provider | None") -> "Minio":
    try:
        import minio  # noqa: PLC0415 - as above
    except ModuleNotFoundError:
        wants = "minio; install it with: pip install 'placewright[s3]'"
        raise InvalidRequestError("--audit-s3-bucket", got="an installation without it", wants=wants) from None
    import urllib3  # noqa: PLC0415

    url = urlsplit(endpoint)
    if url.scheme not in {"http", "https"} or not url.hostname or url.path.strip("/") or url.query or url.username:
        wants = f"the URL of a server, without path and credentials, such as {DEFAULT_ENDPOINT}"
        raise InvalidRequestError("--audit-s3-endpoint", got="another text", wants=wants)
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        retries=urllib3.Retry(0, redirect=False),
        ssl_context=ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE")),
    )
    return minio.Minio(
        url.netloc,
        secure=url.scheme == "https",
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        http_client=pool,
        credentials=credentials or _usual_credentials(pool),
    )


def _usual_credentials(pool: "object") -> "Provider":
    from minio.credentials.providers import (  # noqa: PLC0415 - as above
        AWSConfigProvider,
        ChainedProvider,
        EnvAWSProvider,
        IamAwsProvider,
    )
    from urllib3 import PoolManager  # noqa: PLC0415

    assert isinstance(pool, PoolManager)
    return ChainedProvider([EnvAWSProvider(), AWSConfigProvider(), IamAwsProvider(http_client=pool)])
