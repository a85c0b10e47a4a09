"""Credentials of HTTP requests, from environment variables."""

import base64
import os
from pathlib import Path

from fleetstream.targets.sink import TargetUnusable


def authorization(prefix: str, scheme: str) -> dict[str, str]:
    """The header with the credentials, empty where there are none. Raises TargetUnusable.

    A token comes from ``PREFIX_TOKEN`` or the file that ``PREFIX_TOKEN_FILE`` names, and is sent
    under ``scheme``; else a name and a password come from ``PREFIX_USERNAME`` and
    ``PREFIX_PASSWORD``.
    """
    token = os.environ.get(f"{prefix}_TOKEN")
    path = os.environ.get(f"{prefix}_TOKEN_FILE")
    if token is None and path:
        try:
            token = Path(path).read_text()
        except OSError as error:
            raise TargetUnusable(
                f"{prefix}_TOKEN_FILE names {path!r}, which cannot be read: {error.strerror}."
            ) from error
    user = os.environ.get(f"{prefix}_USERNAME")
    if token is None and user is not None:
        pair = f"{user}:{os.environ.get(f'{prefix}_PASSWORD', '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if token is None:
        return {}
    return {"Authorization": f"{scheme} {token.strip()}"}
