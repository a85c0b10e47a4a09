"""Settings of a local Timestream."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from fleetstream.emulator.sizes import is_percentage, parse_size

DEFAULT_MEMORY_LIMIT = "50%"
DEFAULT_QUERY_TIMEOUT_SECONDS = 300.0
DEFAULT_MAX_QUERIES = 8
LEAST_MEMORY = 64 * 2**20


@dataclass(frozen=True)
class ServerSettings:
    """Where a server listens, where it stores, and what it may use.

    ``store`` is None for a store in memory, and port 0 is a free port. ``memory_limit`` is a size
    or a percentage of the machine's memory, ``max_store_size`` a size of the store's file.
    ``query_timeout`` is in seconds. With ``tls_certificate`` and ``tls_key``, which are PEM files,
    the server speaks HTTPS. ``access_log`` is a file, or ``-`` for standard output.

    Raises ValueError for an invalid value.
    """

    host: str = "127.0.0.1"
    port: int = 0
    store: Path | None = None
    memory_limit: str = DEFAULT_MEMORY_LIMIT
    max_store_size: str | None = None
    query_timeout: float = DEFAULT_QUERY_TIMEOUT_SECONDS
    max_queries: int = DEFAULT_MAX_QUERIES
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    access_log: Path | None = None

    def __post_init__(self) -> None:
        if not is_percentage(self.memory_limit) and parse_size(self.memory_limit) < LEAST_MEMORY:
            raise ValueError(
                f"The memory limit {self.memory_limit} is too low; the least is 64MiB."
            )
        if self.max_store_size is not None:
            parse_size(self.max_store_size)
            if self.store is None:
                raise ValueError(
                    "A maximum size of the store needs a store; a store in memory is bounded by the"
                    " memory limit."
                )
        if not self.query_timeout > 0:
            raise ValueError(
                f"The query timeout {self.query_timeout:g} s is too short; it must be above 0."
            )
        if self.max_queries < 1:
            raise ValueError(f"{self.max_queries} queries are too few; at least 1 must run.")
        self._check_tls()

    def _check_tls(self) -> None:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("TLS needs both a certificate and its key; give both or neither.")
        if self.tls_certificate is None or self.tls_key is None:
            return
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                self.tls_certificate, self.tls_key, password=lambda: ""
            )
        except OSError as error:
            raise ValueError(
                f"{self.tls_certificate} and {self.tls_key} cannot be used for TLS:"
                f" {error.strerror or error}. Give a certificate and its key, unencrypted, as PEM"
                " files."
            ) from error
