"""A server with the API of S3."""

from __future__ import annotations

import tempfile
from typing import IO, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from fleetstream.emulator.object_storage.storage import StorageError

_DEFAULT_REGION = "us-east-1"
_LOCAL_CREDENTIALS = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
_CONFIG = Config(
    s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=60, retries={"max_attempts": 2}
)


class ServerStorage:
    """The buckets of a server.

    Credentials and region are found as by every AWS tool; without credentials, requests are signed
    with invented ones, which local servers accept.
    """

    def __init__(self, url: str) -> None:
        session = botocore.session.get_session()
        credentials = {} if session.get_credentials() else _LOCAL_CREDENTIALS
        self._client: Any = boto3.Session(botocore_session=session).client(
            "s3",
            endpoint_url=url,
            region_name=session.get_config_variable("region") or _DEFAULT_REGION,
            config=_CONFIG,
            **credentials,
        )

    def put(self, bucket: str, key: str, content: IO[bytes]) -> None:
        try:
            self._client.upload_fileobj(content, bucket, key)
        except (ClientError, BotoCoreError) as error:
            raise StorageError(f"s3://{bucket}/{key} can't be written: {error}") from error

    def get(self, bucket: str, key: str) -> IO[bytes]:
        content = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._client.download_fileobj(bucket, key, content)
        except (ClientError, BotoCoreError) as error:
            content.close()
            raise StorageError(f"s3://{bucket}/{key} can't be read: {error}") from error
        content.seek(0)
        return content

    def keys(self, bucket: str, prefix: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2")
        try:
            return [
                found["Key"]
                for page in pages.paginate(Bucket=bucket, Prefix=prefix)
                for found in page.get("Contents", ())
            ]
        except (ClientError, BotoCoreError) as error:
            raise StorageError(f"The bucket {bucket} can't be listed: {error}") from error
