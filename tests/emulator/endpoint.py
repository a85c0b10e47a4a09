"""Clients of a local Timestream."""

from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config


class Endpoint:
    """A local Timestream as its clients see it.

    Attributes:
        url: The endpoint URL.
        port: The port of the URL.
        write: boto3's client of the write API.
        query: boto3's client of the query API.

    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.port = urlsplit(url).port or 0
        self.write = client("timestream-write", url)
        self.query = client("timestream-query", url)


def client(service: str, url: str) -> Any:
    """A boto3 client without retries, which leaves all validation to the endpoint."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"max_attempts": 0}, read_timeout=60, parameter_validation=False),
    )
