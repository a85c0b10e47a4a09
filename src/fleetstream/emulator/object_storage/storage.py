"""What is expected of a storage of objects."""

from __future__ import annotations

from typing import IO, Protocol


class StorageError(Exception):
    """An object can't be stored or read; the message says which one, and why."""


class ObjectStorage(Protocol):
    """Buckets with objects; safe to use from several threads."""

    def put(self, bucket: str, key: str, content: IO[bytes]) -> None:
        """Store an object, replacing one of the same key; raises StorageError."""

    def get(self, bucket: str, key: str) -> IO[bytes]:
        """Open an object for reading; raises StorageError."""

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """The keys that start with a prefix, sorted; raises StorageError."""
