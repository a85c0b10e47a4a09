"""URLs of AWS endpoints."""

from urllib.parse import urlsplit


def check_endpoint(url: str) -> None:
    """Raises ValueError where ``url`` cannot be an endpoint, or has credentials."""
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise ValueError(
            f"{url!r} is not an endpoint URL; one looks like "
            "https://ingest-cell1.timestream.us-east-1.amazonaws.com."
        )
    if parts.username or parts.password:
        raise ValueError(
            "The endpoint URL has a user name or password; leave them out, since requests are "
            "signed with AWS credentials."
        )
