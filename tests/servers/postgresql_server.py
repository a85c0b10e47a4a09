"""A real PostgreSQL in processes of its own."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi

from tests.servers.programs import free_port, program

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
"""Where Debian puts the server's programs."""

USER = "postgres"
"""The user that Debian's package creates; the server refuses to run as root."""


class PostgreSQL:
    """A cluster of its own on a free port of loopback, from `with` to its end.

    The user `fleet` may do everything, without a password, or with ``password``.
    """

    def __init__(self, password: str | None = None) -> None:
        self._password = password
        self._user = USER if os.geteuid() == 0 else None
        self.port = free_port()
        self.url = f"postgresql://fleet@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        initdb = program("initdb", package="postgresql", folders=FOLDERS)
        self._folder = Path(tempfile.mkdtemp(prefix="fleetstream-postgresql-"))
        secret = self._folder / "password"
        secret.write_text(self._password or "unused")
        if self._user:
            shutil.chown(self._folder, self._user)
            shutil.chown(secret, self._user)
        method = "scram-sha-256" if self._password else "trust"
        options = [f"--auth={method}", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"]
        subprocess.run(
            [initdb, f"--pgdata={self._folder}/data", "--username=fleet", "--no-sync", *options],
            user=self._user,
            check=True,
            capture_output=True,
            cwd=self._folder,
        )
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Start the server, also again, and wait until it takes connections."""
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        self._process = subprocess.Popen(
            [
                program("postgres", package="postgresql", folders=FOLDERS),
                *("-D", f"{self._folder}/data", "-p", str(self.port)),
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            user=self._user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                self.query("SELECT 1")
                break
            except dbapi.Error:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def kill(self) -> None:
        """Have all its processes leave at once, without a checkpoint."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)

    @contextmanager
    def tablespace(self, size: str) -> Iterator[Callable[[str], None]]:
        """A tablespace `small` on a disk of a size, and what gives the disk another size.

        Needs the right to mount one, else the test is skipped.
        """
        disk = self._folder / "disk"
        disk.mkdir()

        def mount(options: str) -> None:
            command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"can't mount a small disk here: {done.stderr.strip()}")

        mount(f"size={size}")
        try:
            (disk / "small").mkdir()
            if self._user:
                shutil.chown(disk / "small", self._user)
            with (
                dbapi.connect(self.url, autocommit=True) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute(f"CREATE TABLESPACE small LOCATION '{disk}/small'")
            yield lambda other: mount(f"remount,size={other}")
        finally:
            self.kill()
            subprocess.run(["umount", str(disk)], check=True)

    def query(self, *statements: str) -> list[tuple[Any, ...]]:
        """The rows of the last statement's result; all statements are committed."""
        url = self.url.replace("fleet@", f"fleet:{self._password}@") if self._password else self.url
        with dbapi.connect(url) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            table: pa.Table = cursor.fetch_arrow_table()
            connection.commit()
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
