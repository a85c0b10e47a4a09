"""What is expected of a storage of objects."""

from __future__ import annotations

from typing import IO, Protocol


class StorageError(Exception):
    """An object can't be stored; the message says which one, and why."""


class ObjectStorage(Protocol):
    """Buckets with objects; safe to use from several threads."""

    def put(self, bucket: str, key: str, content: IO[bytes]) -> None:
        """Store an object, replacing one of the same key; raises StorageError."""
