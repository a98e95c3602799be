"""What object lock promises, on a real server: a locked piece stays as it is until its time."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from minio.commonconfig import COMPLIANCE, GOVERNANCE
from minio.retention import Retention

from placewright.telemetry.audit.bucket_client import BucketError
from tests.support.s3_server import S3Server, refused

KEY = "placewright/chain/000000000001-000000000002.jsonl"


def _later(days: int) -> datetime:
    return (datetime.now(tz=UTC) + timedelta(days=days)).replace(microsecond=0)


def test_a_locked_object_cannot_be_deleted(server: S3Server, locked_bucket: str) -> None:
    server.bucket(locked_bucket).put(KEY, b"one\n", _later(30))
    client = server.client
    stored = client.stat_object(locked_bucket, KEY)

    assert refused(lambda: client.remove_object(locked_bucket, KEY, version_id=stored.version_id))
    assert server.bucket(locked_bucket).get(KEY) == b"one\n"


def test_a_locked_object_is_still_there_after_an_overwrite(server: S3Server, locked_bucket: str) -> None:
    bucket = server.bucket(locked_bucket)
    bucket.put(KEY, b"one\n", _later(30))
    first = server.client.stat_object(locked_bucket, KEY).version_id

    code = refused(lambda: server.client.put_object(locked_bucket, KEY, _body(b"forged\n"), 7))

    # A server either refuses, or keeps the locked version beside the new one.
    kept = server.client.get_object(locked_bucket, KEY, version_id=first)
    assert kept.read() == b"one\n"
    assert code or server.client.stat_object(locked_bucket, KEY).version_id != first


def test_the_lock_cannot_be_shortened_or_weakened(server: S3Server, locked_bucket: str) -> None:
    server.bucket(locked_bucket).put(KEY, b"one\n", _later(30))
    client = server.client
    version = client.stat_object(locked_bucket, KEY).version_id

    for weaker in (Retention(COMPLIANCE, _later(1)), Retention(GOVERNANCE, _later(60))):
        assert refused(lambda kind=weaker: client.set_object_retention(locked_bucket, KEY, kind, version))
    retention = client.get_object_retention(locked_bucket, KEY, version)
    assert retention is not None
    assert retention.mode == COMPLIANCE
    assert retention.retain_until_date > _later(29)


def test_a_bucket_without_lock_is_refused_with_what_to_do(server: S3Server) -> None:
    server.client.make_bucket("no-lock")

    with pytest.raises(BucketError, match="bucket no-lock has no object lock: make one with it enabled"):
        server.bucket("no-lock").check()


def test_a_bucket_that_is_not_there_is_named(server: S3Server) -> None:
    with pytest.raises(BucketError, match="NoSuchBucket"):
        server.bucket("no-such-bucket").check()


def _body(data: bytes) -> io.BytesIO:
    return io.BytesIO(data)
