"""AWS's environment variables for a local Timestream."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

REGION = "us-east-1"
CREDENTIALS = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}

_ENDPOINTS = ("AWS_ENDPOINT_URL_TIMESTREAM_WRITE", "AWS_ENDPOINT_URL_TIMESTREAM_QUERY")
_REMOVED = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
"""Variables that would take precedence over the ones that are set."""


@contextmanager
def aws_environment(url: str) -> Iterator[None]:
    """Make ``url`` the endpoint of Timestream in this process; the variables are restored."""
    settings = {
        **dict.fromkeys(_ENDPOINTS, url),
        **{name.upper(): value for name, value in CREDENTIALS.items()},
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
    }
    before = {name: os.environ.get(name) for name in (*settings, *_REMOVED)}
    for name in _REMOVED:
        os.environ.pop(name, None)
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
