"""Buckets as folders, and objects as files."""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path
from typing import IO

from fleetstream.emulator.object_storage.storage import StorageError

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

_UNFINISHED = ".unfinished"


class FolderStorage:
    """One folder per bucket; folders are created when they are first written to."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def put(self, bucket: str, key: str, content: IO[bytes]) -> None:
        path = self._path(bucket, key)
        unfinished = path.with_name(f".{uuid.uuid4().hex}{_UNFINISHED}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with unfinished.open("wb") as file:
                    shutil.copyfileobj(content, file)
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"s3://{bucket}/{key} can't be written: {error.strerror}") from error

    def get(self, bucket: str, key: str) -> IO[bytes]:
        try:
            return self._path(bucket, key).open("rb")
        except OSError as error:
            raise StorageError(f"s3://{bucket}/{key} can't be read: {error.strerror}") from error

    def keys(self, bucket: str, prefix: str) -> list[str]:
        folder = self._path(bucket, "any").parent
        if not folder.is_dir():
            raise StorageError(f"There is no bucket {bucket}: {folder} is not a folder")
        files = (path for path in folder.rglob("*") if path.is_file())
        found = (
            path.relative_to(folder).as_posix()
            for path in files
            if not path.name.endswith(_UNFINISHED)
        )
        return sorted(key for key in found if key.startswith(prefix))

    def _path(self, bucket: str, key: str) -> Path:
        """The object's file, which is inside the root whatever the key is."""
        names = key.split("/")
        if not _BUCKET.fullmatch(bucket) or ".." in bucket:
            raise StorageError(f"{bucket!r} is not a valid name of a bucket")
        if "\0" in key or any(name in ("", ".", "..") for name in names):
            raise StorageError(f"s3://{bucket}/{key} can't be the path of a file")
        return self._root.joinpath(bucket, *names)
