"""A real OpenTelemetry Collector in a process of its own, compiled from its modules."""

import os
from collections.abc import Iterator
from pathlib import Path

import requests
import trustme
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from tests.servers.go_programs import GoProgram
from tests.servers.programs import ServerProcess, free_port

PROGRAM = GoProgram(
    "otlp-collector",
    "The OpenTelemetry Collector",
    Path(__file__).parent / "otlp_collector_program",
)

COLLECTORS: dict[str, "Collector"] = {}
"""Those of this process, by each of their URLs."""

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
        self.launch(str(PROGRAM.path()), "--config", str(configuration), answers=self._answers)

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


if __name__ == "__main__":
    print(PROGRAM.path())
