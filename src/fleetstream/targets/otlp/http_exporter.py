"""OTLP over HTTP, with bodies in protobuf's binary form (OTLP specification, "OTLP/HTTP")."""

from http import HTTPStatus
from urllib.parse import urlsplit, urlunsplit

from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

from fleetstream._version import __version__
from fleetstream.targets.compression import gzipped
from fleetstream.targets.http import NOT_UNDERSTOOD, HttpAnswer, HttpClient, described, foreign
from fleetstream.targets.otlp.exporter import (
    EMPTY,
    Accepted,
    RequestRefused,
    accepted,
)
from fleetstream.targets.otlp.settings import ExporterSettings
from fleetstream.targets.sink import TargetLost, TargetUnusable, Throttled, Unavailable

PATH = "/v1/metrics"
"""What is added to a URL that does not end with it."""

_PROTOBUF = "application/x-protobuf"

_RETRYABLE = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


class HttpExporter:
    """Posts requests to a URL. ``settings`` are those of the environment."""

    def __init__(self, url: str, settings: ExporterSettings) -> None:
        parts = urlsplit(url)
        path = parts.path.rstrip("/")
        self.url = urlunsplit(parts._replace(path=path if path.endswith(PATH) else f"{path}{PATH}"))
        self._gzip = settings.gzip
        self._headers = {
            "Content-Type": _PROTOBUF,
            "User-Agent": f"fleetstream/{__version__}",
            **({"Content-Encoding": "gzip"} if settings.gzip else {}),
            **settings.headers,
        }
        self._http = HttpClient(
            settings.authorities, client_certificate=settings.client_certificate
        )

    def open(self) -> None:
        try:
            self.export(self.packed(EMPTY))
        except RequestRefused:
            pass  # some services refuse a request without metrics
        except TargetLost as error:
            raise TargetUnusable(str(error)) from error
        except (Throttled, Unavailable) as error:
            why = described(error) if isinstance(error, Unavailable) else "throttled"
            raise TargetUnusable(
                f"The server at {self.url} does not answer as OTLP over HTTP does ({why}); check "
                "the URL and the network. OTLP over gRPC is otlp:grpc://HOST:4317."
            ) from error

    def packed(self, body: bytes) -> bytes:
        return gzipped(body) if self._gzip else body

    def export(self, message: bytes) -> Accepted:
        answer = self._http.exchange("POST", self.url, self._headers, message, with_headers=True)
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            other = foreign(answer)
            if other:
                raise Unavailable(NOT_UNDERSTOOD, other)
            return accepted(answer.body) if _is_protobuf(answer) else Accepted()
        raise self._failure(answer)

    def close(self) -> None:
        self._http.close()

    def _failure(self, answer: HttpAnswer) -> Exception:
        """The exception for an answer that is no success."""
        status, reason = answer.status, _reason(answer)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return TargetLost(
                f"The server at {self.url} refuses the credentials (HTTP {status}); set "
                "OTEL_EXPORTER_OTLP_HEADERS, for example to authorization=Bearer%20TOKEN."
            )
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
            return TargetLost(
                f"The server at {self.url} does not take OTLP metrics at "
                f"{urlsplit(self.url).path} (HTTP {status}); check the path."
            )
        if status in _RETRYABLE:
            if answer.wait or status == HTTPStatus.TOO_MANY_REQUESTS:
                return Throttled(reason, answer.wait)
            return Unavailable(f"HTTP {status}", reason)
        if status < HTTPStatus.BAD_REQUEST:
            return Unavailable(f"HTTP {status}", reason)
        other = foreign(answer)
        if other:
            return Unavailable(NOT_UNDERSTOOD, other)
        return RequestRefused(reason, too_large=status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _is_protobuf(answer: HttpAnswer) -> bool:
    return answer.headers.get("content-type", "").startswith(_PROTOBUF)


def _reason(answer: HttpAnswer) -> str:
    """What an answer says, in one line, or its status."""
    text = answer.body[:500].decode(errors="replace")
    if _is_protobuf(answer):
        try:
            text = Status.FromString(answer.body).message
        except DecodeError:
            text = ""
    lines = text.strip().splitlines()
    return lines[0] if lines else f"HTTP {answer.status}"
