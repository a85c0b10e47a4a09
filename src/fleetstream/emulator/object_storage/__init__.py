"""Where ``s3://`` locations are: on a server with the API of S3, or in a local folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from fleetstream.emulator.object_storage.folder import FolderStorage
from fleetstream.emulator.object_storage.storage import ObjectStorage, StorageError

__all__ = ["ObjectStorage", "StorageError", "open_storage"]


def open_storage(location: str) -> ObjectStorage:
    """The storage at a URL such as ``http://127.0.0.1:9000``, or in a folder.

    Raises ValueError if ``location`` is another URL, or the path of a file.
    """
    if "://" in location:
        parts = urlsplit(location)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(
                f"{location!r} can't be used for S3; give the URL of a server, for example"
                " http://127.0.0.1:9000, or the path of a folder."
            )
        from fleetstream.emulator.object_storage.server import ServerStorage

        return ServerStorage(location)
    folder = Path(location)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{location!r} can't be used for S3: it is a file, not a folder.")
    return FolderStorage(folder)
