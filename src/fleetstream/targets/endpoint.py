"""Endpoint URLs of AWS services, as users give them."""

from urllib.parse import urlsplit


def check_endpoint(url: str) -> None:
    """Raises ValueError where ``url`` cannot be an endpoint, or contains credentials."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(
            f"{url!r} is not an endpoint URL; one looks like "
            "https://ingest-cell1.timestream.us-east-1.amazonaws.com."
        )
    if parts.username or parts.password:
        raise ValueError(
            "The endpoint URL contains a user name or password; leave them out, since requests are "
            "signed with AWS credentials."
        )
