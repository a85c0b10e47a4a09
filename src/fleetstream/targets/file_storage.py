"""Storage of files in a local folder or in S3; a file appears only when it is complete."""

import contextlib
import os
import posixpath
import re
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote

import pyarrow.fs as pafs

from fleetstream.targets.sink import TargetUnusable, first_line

Write = Callable[[IO[bytes]], None]
"""Writes a file's content."""

_NAME = re.compile(r"(\d+)-(\d+)-[0-9a-f]{12}\.[a-z]+")

_FINAL = ("ACCESS_DENIED", "NO_SUCH_BUCKET", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH")
"""Errors of S3 after which no retry helps (Arrow passes on the AWS SDK's names)."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file: its path below the root, and the range of timestamps in its name (microseconds).

    Files that something else wrote may hold any timestamps.
    """

    path: str
    first: int = 0
    last: int = 2**63 - 1

    @property
    def partition(self) -> dict[str, str]:
        """The values of partition columns, from the names of its folders."""
        pairs = (part.partition("=") for part in self.path.split("/")[:-1] if "=" in part)
        return {name: unquote(value) for name, _, value in pairs}


class Storage:
    """Files below the folder ``root`` of a filesystem. All methods may raise OSError."""

    def __init__(self, filesystem: pafs.FileSystem, root: str, name: str) -> None:
        self.filesystem = filesystem
        self.root = root
        self.name = name

    def prepare(self) -> None:
        """Create the root, and make sure that files can be written into it."""
        if isinstance(self.filesystem, pafs.LocalFileSystem):
            Path(self.root).mkdir(exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass

    def files(self, suffix: str) -> list[StoredFile]:
        """All files with a suffix, ordered by their first timestamps."""
        selector = pafs.FileSelector(self.root, recursive=True, allow_not_found=True)
        found = []
        for info in self.filesystem.get_file_info(selector):
            folder, _, name = info.path.rpartition("/")
            hidden = any(part.startswith((".", "_")) for part in self._below(info.path).split("/"))
            if info.type == pafs.FileType.File and name.endswith(suffix) and not hidden:
                match = _NAME.fullmatch(name)
                span = (int(match[1]), int(match[2])) if match else ()
                found.append(StoredFile(self._below(f"{folder}/{name}"), *span))
        return sorted(found, key=lambda file: (file.first, file.path))

    def add(self, folder: str, suffix: str, first: int, last: int, write: Write) -> StoredFile:
        """Write a new file in ``folder`` (below the root) for records of these timestamps."""
        path = posixpath.join(folder, f"{first}-{last}-{uuid.uuid4().hex[:12]}{suffix}")
        self.put(path, write)
        return StoredFile(path, first, last)

    def put(self, path: str, write: Write) -> None:
        """Write a file below the root. If that fails, there is no file."""
        place = self.full(path)
        if not isinstance(self.filesystem, pafs.LocalFileSystem):
            # An object of S3 appears when its upload is complete.
            with self.filesystem.open_output_stream(place) as stream:
                write(stream)
            return
        final = Path(place)
        # Another process may write the same file at the same time.
        unfinished = final.with_name(f".{final.name}.{uuid.uuid4().hex[:12]}.unfinished")
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("wb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.replace(final)
        except OSError:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise

    def may_recover(self, error: Exception) -> bool:
        """Whether a retry may help: a service may come back, a full disk stays full."""
        remote = not isinstance(self.filesystem, pafs.LocalFileSystem)
        return (
            remote and isinstance(error, OSError) and not any(text in str(error) for text in _FINAL)
        )

    def full(self, path: str) -> str:
        """The path in the filesystem of a path below the root."""
        return posixpath.join(self.root, path)

    def _below(self, path: str) -> str:
        return posixpath.relpath(path, self.root)


def open_folder(path: Path) -> Storage:
    """A local folder, which may not exist yet, while its parent must.

    Raises ValueError where it cannot be a folder.
    """
    if path.exists() and not path.is_dir():
        raise ValueError(f"{str(path)!r} is a file, but must be a folder.")
    if not path.absolute().parent.is_dir():
        raise ValueError(
            f"There is no folder {str(path.parent)!r} to create {path.name!r} in; create it first, "
            "or name another path."
        )
    return Storage(pafs.LocalFileSystem(), str(path.absolute()), str(path))


def open_bucket(path: str, region: str | None, endpoint_url: str | None) -> Storage:
    """A bucket of S3, with a prefix where ``path`` has one, accessed with AWS credentials.

    Raises TargetUnusable where the bucket does not exist or cannot be accessed.
    """
    scheme, _, host = (endpoint_url or "").rpartition("://")
    options = {"region": region} if region else {}
    if endpoint_url:
        options |= {"scheme": scheme, "endpoint_override": host.rstrip("/")}
    filesystem = pafs.S3FileSystem(connect_timeout=5, request_timeout=30, **options)
    name = path.partition("/")[0]
    try:
        found = filesystem.get_file_info(name).type
    except OSError as error:
        raise TargetUnusable(
            f"The bucket {name!r} cannot be reached: {first_line(error)} Check its name, the "
            "credentials, the region and the endpoint."
        ) from error
    if found == pafs.FileType.NotFound:
        raise TargetUnusable(f"There is no bucket {name!r}; create it first, or name another.")
    return Storage(filesystem, path.rstrip("/"), f"s3://{path}")
