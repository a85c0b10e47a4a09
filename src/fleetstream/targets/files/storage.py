"""Storage: a folder of files, here or in S3, each of which appears only when it is complete."""

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

from fleetstream.targets.sink import TargetUnusable

Write = Callable[[IO[bytes]], None]
"""Writes a file's content."""

_NAME = re.compile(r"(\d+)-(\d+)-[0-9a-f]{12}\.[a-z]+")


_FINAL = ("ACCESS_DENIED", "NO_SUCH_BUCKET", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH")
"""What S3 says where no retry helps (Arrow hands on the names of the AWS SDK's errors)."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file: its path below the root, and the timestamps that its name says it spans (µs).

    Files that something else wrote may hold any.
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
    """Files below ``root`` of a filesystem. All its methods raise :class:`OSError`."""

    def __init__(self, filesystem: pafs.FileSystem, root: str, name: str) -> None:
        self.filesystem = filesystem
        self.root = root
        self.name = name

    def prepare(self) -> None:
        """Make the root, and see whether files can be written into it."""
        if isinstance(self.filesystem, pafs.LocalFileSystem):
            Path(self.root).mkdir(exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass

    def files(self, suffix: str) -> list[StoredFile]:
        """All files with a suffix, oldest timestamps first."""
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
        """A new file in ``folder`` (below the root), whose records span these timestamps."""
        path = posixpath.join(folder, f"{first}-{last}-{uuid.uuid4().hex[:12]}{suffix}")
        self.put(path, write)
        return StoredFile(path, first, last)

    def put(self, path: str, write: Write) -> None:
        """Write a file below the root; it appears as a whole, or not at all."""
        place = self.full(path)
        if not isinstance(self.filesystem, pafs.LocalFileSystem):
            # An object of S3 appears when its upload is complete.
            with self.filesystem.open_output_stream(place) as stream:
                write(stream)
            return
        final = Path(place)
        unfinished = final.with_name(f".{final.name}.unfinished")
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
        """Whether what failed may work later: a service may come back, a full disk stays full."""
        far = not isinstance(self.filesystem, pafs.LocalFileSystem)
        return far and isinstance(error, OSError) and not any(text in str(error) for text in _FINAL)

    def full(self, path: str) -> str:
        """The path in the filesystem of a path below the root."""
        return posixpath.join(self.root, path)

    def _below(self, path: str) -> str:
        return posixpath.relpath(path, self.root)


def folder(path: Path) -> Storage:
    """A folder of this machine, which need not exist, but the one that it is in must.

    Raises :class:`ValueError` with a sentence where it can't be a folder.
    """
    if path.exists() and not path.is_dir():
        raise ValueError(f"{str(path)!r} is a file, but must be a folder.")
    if not path.absolute().parent.is_dir():
        raise ValueError(
            f"There is no folder {str(path.parent)!r} to make {path.name!r} in; make it first, or "
            "name another path."
        )
    return Storage(pafs.LocalFileSystem(), str(path.absolute()), str(path))


def bucket(place: str, region: str | None, endpoint_url: str | None) -> Storage:
    """A bucket of S3 and perhaps a prefix in it; credentials are found as by every AWS tool.

    Raises :class:`TargetUnusable` where there is no such bucket, or no access to it.
    """
    scheme, _, host = (endpoint_url or "").rpartition("://")
    options = {"region": region} if region else {}
    if endpoint_url:
        options |= {"scheme": scheme, "endpoint_override": host.rstrip("/")}
    filesystem = pafs.S3FileSystem(connect_timeout=5, request_timeout=30, **options)
    name = place.partition("/")[0]
    try:
        there = filesystem.get_file_info(name).type
    except OSError as error:
        raise TargetUnusable(
            f"The bucket {name!r} can't be reached: {_reason(error)} Check its name, the "
            "credentials, the region and the endpoint."
        ) from error
    if there == pafs.FileType.NotFound:
        raise TargetUnusable(f"There is no bucket {name!r}; create it first, or name another.")
    return Storage(filesystem, place.rstrip("/"), f"s3://{place}")


def _reason(error: OSError) -> str:
    """An error in a sentence."""
    text = (error.strerror or str(error)).splitlines()[0].rstrip(".")
    return f"{text}."
