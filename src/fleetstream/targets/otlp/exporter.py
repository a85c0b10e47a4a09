"""What the sink needs of a way to send requests: HTTP or gRPC."""

from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

EMPTY = b""
"""A request without metrics, which every server must accept."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a server that accepted a request says: how many data points it did not, and why.

    A server may also give a warning, with no points rejected.
    """

    rejected: int = 0
    message: str = ""


class RequestRefused(Exception):
    """The server refuses a whole request, and would again; ``too_large`` because of its size."""

    def __init__(self, reason: str, *, too_large: bool = False) -> None:
        super().__init__(reason)
        self.too_large = too_large


class Exporter(Protocol):
    """Sends requests to a server; used from several threads."""

    @property
    def url(self) -> str:
        """The server's address, for people."""
        ...

    def open(self) -> None:
        """Send an empty request. Raises TargetUnusable."""
        ...

    def packed(self, body: bytes) -> bytes:
        """What is sent of a body, ready to be sent several times."""
        ...

    def export(self, message: bytes) -> Accepted:
        """Send what is packed.

        Raises RequestRefused, Throttled, Unavailable or TargetLost.
        """
        ...

    def close(self) -> None:
        """Close connections."""
        ...


def accepted(answer: bytes) -> Accepted:
    """What an encoded answer says; nothing where it is not understood."""
    try:
        partial = ExportMetricsServiceResponse.FromString(answer).partial_success
    except DecodeError:
        return Accepted()
    return Accepted(max(partial.rejected_data_points, 0), partial.error_message)
