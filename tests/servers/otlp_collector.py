"""A real OpenTelemetry Collector in a process of its own, compiled from its modules."""

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import trustme
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from tests.servers.programs import ServerProcess, free_port, program

SOURCES = Path(__file__).parent / "otlp_collector_program"

COLLECTORS: dict[str, "Collector"] = {}
"""Those of this process, by each of their URLs."""

COMPILING = 1_500
"""Seconds; two minutes on two idle cores."""

CONFIGURATION = """\
extensions:
  bearertokenauth: {{token: "{token}"}}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"{options}}}
      http: {{endpoint: "127.0.0.1:{http}"{options}}}
exporters:
  file: {{path: "{file}", format: proto, rotation: {{max_megabytes: 100000}}}}
service:
  extensions: [bearertokenauth]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    metrics: {{receivers: [otlp], exporters: [file]}}
"""
"""A file that is rotated is written without a buffer, so what was acknowledged outlives a kill."""


class Collector(ServerProcess):
    """A collector on two free ports of loopback, which appends what it receives to a file.

    With ``token`` it asks for that one. With ``authority`` it has TLS with a certificate for
    localhost, and asks for one that the same authority has issued.
    """

    def __init__(
        self, folder: Path, token: str | None = None, authority: trustme.CA | None = None
    ) -> None:
        self._folder = folder
        self._grpc, self._http = free_port(), free_port()
        self._options = ["auth: {authenticator: bearertokenauth}"] if token else []
        self._token = token or "none"
        self.file = folder / "metrics.bin"
        secure = "s" if authority else ""
        if authority:
            self._options.append(f"tls: {_certificates(folder, authority)}")
        self.grpc_url = f"grpc{secure}://localhost:{self._grpc}"
        self.url = f"http{secure}://localhost:{self._http}"
        COLLECTORS[self.url] = COLLECTORS[self.grpc_url] = self

    @property
    def ports(self) -> tuple[int, int]:
        """Those of HTTP and gRPC."""
        return self._http, self._grpc

    def start(self) -> None:
        self._remove_rest()
        configuration = self._folder / "collector.yaml"
        configuration.write_text(
            CONFIGURATION.format(
                token=self._token,
                grpc=self._grpc,
                http=self._http,
                options="".join(f", {each}" for each in self._options),
                file=self.file,
            )
        )
        self.launch(str(collector_program()), "--config", str(configuration), answers=self._answers)

    def requests(self) -> Iterator[ExportMetricsServiceRequest]:
        """What it has received, in order, without a request that is not written in full."""
        for message in self._messages():
            yield ExportMetricsServiceRequest.FromString(message)

    def _messages(self) -> Iterator[bytes]:
        content = self.file.read_bytes() if self.file.exists() else b""
        begin = 4
        while begin <= len(content):
            end = begin + int.from_bytes(content[begin - 4 : begin], "big")
            if end <= len(content):
                yield content[begin:end]
            begin = end + 4

    def _remove_rest(self) -> None:
        """Remove a request that was being written when it was killed, so never acknowledged."""
        if self.file.exists():
            os.truncate(self.file, sum(4 + len(message) for message in self._messages()))

    def _answers(self) -> None:
        """Raises an error unless both ports answer, whatever they answer."""
        for port in self.ports:
            try:
                requests.get(f"http://127.0.0.1:{port}/", timeout=5)
            except requests.ConnectionError as error:
                if "refused" in str(error):
                    raise


def _certificates(folder: Path, authority: trustme.CA) -> str:
    authority.cert_pem.write_to_path(folder / "authority.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        folder / "server.pem"
    )
    server, clients = folder / "server.pem", folder / "authority.pem"
    return f'{{cert_file: "{server}", key_file: "{server}", client_ca_file: "{clients}"}}'


def collector_program() -> Path:
    """The compiled program, from a cache outside of the repository; compiled if it is not there."""
    go = program("go", package="golang-go", folders=[Path("/usr/local/go/bin")])
    version = subprocess.run([go, "version"], capture_output=True, check=True).stdout
    content = b"".join(path.read_bytes() for path in sorted(SOURCES.iterdir()))
    name = hashlib.sha256(version + content).hexdigest()[:16]
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "fleetstream-tests"
    folder.mkdir(parents=True, exist_ok=True)
    compiled = folder / f"otlp-collector-{name}"
    with (folder / "otlp-collector.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not compiled.exists():
            _compile(go, compiled)
    return compiled


def _compile(go: str, compiled: Path) -> None:
    unfinished = compiled.with_suffix(".unfinished")
    command = [go, "build", "-trimpath", "-ldflags=-s -w", "-o", str(unfinished), "."]
    build = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, timeout=COMPILING)
    if build.returncode:
        message = f"The OpenTelemetry Collector cannot be compiled: {build.stderr[-2_000:]}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    unfinished.rename(compiled)


if __name__ == "__main__":
    print(collector_program())
