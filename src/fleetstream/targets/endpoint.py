"""URLs of services, as users give them."""

from urllib.parse import SplitResult, urlsplit


def http_url(url: str) -> SplitResult | None:
    """The parts of a URL that HTTP can reach, None where it is no such URL."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if valid else None


def check_endpoint(url: str) -> None:
    """Raises ValueError where ``url`` cannot be an AWS endpoint, or contains credentials."""
    parts = http_url(url)
    if parts is None:
        raise ValueError(
            f"{url!r} is not an endpoint URL; one looks like "
            "https://ingest-cell1.timestream.us-east-1.amazonaws.com."
        )
    if parts.username or parts.password:
        raise ValueError(
            "The endpoint URL contains a user name or password; leave them out, since requests are "
            "signed with AWS credentials."
        )
