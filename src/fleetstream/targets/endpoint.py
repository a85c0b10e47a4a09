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


def check_read_url(url: str | None) -> None:
    """Raises ValueError where a URL to read from is given, and cannot be one or has credentials."""
    parts = None if url is None else http_url(url)
    if url is not None and parts is None:
        raise ValueError(
            f"--read-url {url!r} is not the URL of a server; one looks like http://127.0.0.1:8181."
        )
    if parts and (parts.username or parts.password):
        raise ValueError(
            "--read-url contains a user name or password; leave them out, since credentials are "
            "those for writing."
        )


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
