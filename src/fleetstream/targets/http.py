"""HTTP by libcurl: each thread does one exchange at a time over a connection that it keeps.

libcurl notices connections that the server has closed in the meantime and sends the request again
on a new one. It takes proxies and their credentials from ``http_proxy``, ``https_proxy``,
``all_proxy`` and ``no_proxy``, and computes AWS signatures.
"""

import errno
import os
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from fleetstream.targets.sink import TargetUnusable, Unavailable

try:
    import pycurl
except ImportError as _error:
    raise TargetUnusable(
        f"Targets that are reached by HTTP require pycurl, which cannot be imported ({_error}); "
        "install it with: pip install pycurl. Where that finds no wheel for this platform, it "
        "needs a C compiler and the headers of libcurl and OpenSSL (libcurl4-openssl-dev)."
    ) from _error

CONNECT_TIMEOUT = 10
"""Seconds to wait for a connection."""

ANSWER_TIMEOUT = 30
"""Seconds to wait for more of an answer."""

MAX_ANSWER = 2**20
"""Bytes of an answer's body that are accepted by default."""

NOT_UNDERSTOOD = "answer not understood"

_TLS = "TLS failed"

_FAULTS = {
    # CURLE_WEIRD_SERVER_REPLY has the number of an older error of FTP.
    pycurl.E_OPERATION_TIMEDOUT: "no answer in time",
    pycurl.E_URL_MALFORMAT: "URL not understood",
    pycurl.E_COULDNT_RESOLVE_HOST: "host name not found",
    pycurl.E_COULDNT_RESOLVE_PROXY: "proxy name not found",
    pycurl.E_SSL_CONNECT_ERROR: _TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: _TLS,
    pycurl.E_SSL_CACERT_BADFILE: _TLS,
    pycurl.E_SSL_CERTPROBLEM: _TLS,
    pycurl.E_SSL_CIPHER: _TLS,
    pycurl.E_SSL_ISSUER_ERROR: _TLS,
    pycurl.E_GOT_NOTHING: "connection cut",
    pycurl.E_SEND_ERROR: "connection cut",
    pycurl.E_RECV_ERROR: "connection cut",
    pycurl.E_PARTIAL_FILE: "answer cut short",
    pycurl.E_FTP_WEIRD_SERVER_REPLY: NOT_UNDERSTOOD,
    pycurl.E_UNSUPPORTED_PROTOCOL: NOT_UNDERSTOOD,
    pycurl.E_FILESIZE_EXCEEDED: NOT_UNDERSTOOD,
    pycurl.E_WRITE_ERROR: NOT_UNDERSTOOD,
}
"""What a failed exchange is called, by libcurl's error code."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer. ``wait`` is its Retry-After in seconds, 0 where it has none.

    ``headers`` are by lower-case name, and only read where the exchange asked for them.
    """

    status: int
    body: bytes
    wait: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AwsSigner:
    """Who signs a request under AWS Signature Version 4, and for what."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False)
    region: str
    service: str


class HttpClient:
    """Sends requests to any URL; used from several threads.

    ``ca_bundle`` is a file or folder of trusted certificates; without it, environment variables
    (:func:`named_ca_bundle`) and then the system decide. An answer whose body has more than
    ``max_answer`` bytes is a fault. ``client_certificate`` has the files of a certificate and of
    its key, to present to servers that ask for one.
    """

    def __init__(
        self,
        ca_bundle: str | None = None,
        max_answer: int = MAX_ANSWER,
        client_certificate: tuple[str, str] | None = None,
    ) -> None:
        bundle = ca_bundle or named_ca_bundle() or system_ca_bundle()
        self._trust = pycurl.CAPATH if Path(bundle).is_dir() else pycurl.CAINFO, bundle
        self._max_answer = max_answer
        self._client_certificate = client_certificate
        self._local = threading.local()

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        signer: AwsSigner | None = None,
        with_headers: bool = False,
    ) -> HttpAnswer:
        """Send a request. Raises Unavailable where there is no complete answer."""
        settings = _Settings(method, url, tuple(headers.items()), signer, body is not None)
        handle = self._handle(settings)
        content, lines = BytesIO(), list[bytes]()
        handle.setopt(pycurl.WRITEFUNCTION, content.write)
        if body is not None:
            handle.setopt(pycurl.POSTFIELDS, body)
        if with_headers:
            handle.setopt(pycurl.HEADERFUNCTION, lines.append)
        try:
            handle.perform()
        except pycurl.error as error:
            fault = _fault(handle, error)
            self.close()
            raise fault from None
        status, wait = handle.getinfo(pycurl.RESPONSE_CODE), handle.getinfo(pycurl.RETRY_AFTER)
        if with_headers:
            handle.unsetopt(pycurl.HEADERFUNCTION)
        return HttpAnswer(status, content.getvalue(), wait, _parsed(lines))

    def close(self) -> None:
        """Close this thread's connection; those of other threads are closed when they end."""
        handle: pycurl.Curl | None = getattr(self._local, "handle", None)
        if handle is not None:
            handle.close()
        self._local.handle = None

    def _handle(self, settings: "_Settings") -> "pycurl.Curl":
        """This thread's handle, which keeps its connection, with the settings of a request.

        Most requests have the settings of the one before, which are left as they are.
        """
        handle: pycurl.Curl | None = getattr(self._local, "handle", None)
        if handle is None:
            handle = self._local.handle = pycurl.Curl()
        elif self._local.settings == settings:
            return handle
        self._local.settings = settings
        handle.reset()
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.USERAGENT, "fleetstream")
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.CONNECTTIMEOUT, CONNECT_TIMEOUT)
        handle.setopt(pycurl.LOW_SPEED_LIMIT, 1)
        handle.setopt(pycurl.LOW_SPEED_TIME, ANSWER_TIMEOUT)
        handle.setopt(pycurl.MAXFILESIZE_LARGE, self._max_answer)
        handle.setopt(*self._trust)
        if self._client_certificate is not None:
            handle.setopt(pycurl.SSLCERT, self._client_certificate[0])
            handle.setopt(pycurl.SSLKEY, self._client_certificate[1])
        settings.apply(handle)
        return handle


class _Settings(NamedTuple):
    """What requests have in common that one handle sends one after the other."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    signer: AwsSigner | None
    has_body: bool

    def apply(self, handle: "pycurl.Curl") -> None:
        """Set what differs from the defaults."""
        handle.setopt(pycurl.URL, self.url.encode())
        handle.setopt(pycurl.CUSTOMREQUEST, self.method)
        signing = {} if self.signer is None else _sign(handle, self.signer)
        # An empty "Expect" avoids "100-continue", which delays large bodies by a round trip.
        fields = [f"{name}: {text}".encode() for name, text in (*self.headers, *signing.items())]
        handle.setopt(pycurl.HTTPHEADER, [b"Expect:", *fields])


def foreign(answer: HttpAnswer) -> str | None:
    """What shows that another program than the service has answered; None where nothing does.

    That is a web page, as of a proxy, or what Go's servers, nginx and Apache answer to a request
    without TLS at a port of TLS.
    """
    text = answer.body[:1_000].lstrip().lower()
    if answer.status == HTTPStatus.BAD_REQUEST and (b"https" in text or b"ssl-enabled" in text):
        return "the port is one of TLS"
    if text.startswith((b"<!doctype html", b"<html")):
        return f"a web page, HTTP {answer.status}"
    return None


def described(fault: Unavailable) -> str:
    """A fault for people: its kind, and what TLS or the answer has to do with it."""
    detail = str(fault)
    if fault.kind not in (_TLS, NOT_UNDERSTOOD) or detail == fault.kind:
        return fault.kind
    if "wrong version number" in detail:
        detail = "the port is one without TLS"
    return f"{fault.kind}: {detail}"


def named_ca_bundle() -> str | None:
    """The trusted certificates that an environment variable names.

    REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE and SSL_CERT_DIR are tried in this order.
    """
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
    return next(filter(None, map(os.environ.get, names)), None)


def system_ca_bundle() -> str:
    """The trusted certificates of the system, or of botocore where the system has none."""
    paths = ssl.get_default_verify_paths()
    found = paths.cafile or paths.capath
    if found is None:
        from botocore.httpsession import get_cert_path

        found = get_cert_path(verify=True)
    return str(found)


def _sign(handle: "pycurl.Curl", signer: AwsSigner) -> dict[str, str]:
    """Have libcurl sign the request; returns the headers to send with it."""
    handle.setopt(pycurl.AWS_SIGV4, f"aws:amz:{signer.region}:{signer.service}")
    handle.setopt(pycurl.USERNAME, signer.access_key)
    handle.setopt(pycurl.PASSWORD, signer.secret_key)
    return {} if signer.token is None else {"X-Amz-Security-Token": signer.token}


def _fault(handle: "pycurl.Curl", error: "pycurl.error") -> Unavailable:
    """What a failed exchange is called."""
    code, message = error.args
    answer = handle.getinfo(pycurl.HTTP_CONNECTCODE)
    if answer and answer != HTTPStatus.OK:
        return Unavailable(f"proxy answered {answer}", message)
    if code == pycurl.E_COULDNT_CONNECT:
        refused = handle.getinfo(pycurl.OS_ERRNO) == errno.ECONNREFUSED
        return Unavailable("connection refused" if refused else "network error", message)
    if code == pycurl.E_RECV_ERROR and " alert " in message:  # of TLS 1.3, behind the handshake
        return Unavailable(_TLS, message)
    return Unavailable(_FAULTS.get(code, "network error"), message)


def _parsed(lines: list[bytes]) -> dict[str, str]:
    """Headers by lower-case name from the lines of all answers, of which the last counts."""
    headers: dict[str, str] = {}
    for line in lines:
        if line.startswith(b"HTTP/"):
            headers.clear()
        name, separator, text = line.decode("latin-1").partition(":")
        if separator:
            headers[name.strip().lower()] = text.strip()
    return headers
