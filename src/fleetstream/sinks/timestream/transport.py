"""Transport: one signed WriteRecords body to the service, and what its answer means.

Each thread keeps its own connection alive. Bodies go straight through :mod:`http.client`, since
botocore's own client spends more time on one call than rendering and sending the whole body takes.
"""

import http.client
import json
import socket
import ssl
import threading
from typing import Any
from urllib.parse import urlsplit

import botocore.exceptions as aws
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from fleetstream.sinks import Delivery, Rejection, TargetLost, Throttled, Unavailable
from fleetstream.sinks.timestream.account import (
    Account,
    ends_the_run,
    explain_code,
    is_of_credentials,
)

ANSWER_TIMEOUT = 30.0
"""Seconds to wait for a connection or for more of an answer."""

MAX_ANSWER = 2**20
"""Bytes of an answer that are read: 100 rejections with long reasons fit several times."""


class CredentialsRefused(TargetLost):
    """The service does not take the credentials of a request."""


class Transport:
    """Sends bodies to the table of an account; used from several threads."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._local = threading.local()
        self._tls = ssl.create_default_context(
            cafile=account.ca_bundle or get_cert_path(verify=True)
        )

    def post(self, body: bytes, records: int) -> Delivery:
        """Deliver a body of so many records; raises as :mod:`fleetstream.sinks` says."""
        try:
            url = self._account.endpoint()
        except (aws.BotoCoreError, aws.ClientError) as error:
            raise Unavailable("endpoint not found", str(error)) from error
        headers = self._account.sign(url, body)
        try:
            status, answer = self._exchange(url, headers, body)
        except (OSError, http.client.HTTPException) as error:
            self._drop_connection()
            raise Unavailable(_fault(error), str(error)) from error
        try:
            return self.read(status, answer, records)
        except CredentialsRefused:
            if self._account.renewed(headers):
                raise Unavailable("credentials renewed") from None
            raise

    def close(self) -> None:
        """Close this thread's connection."""
        self._drop_connection()

    def _exchange(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        connection = self._connection(url)
        path = urlsplit(url).path or "/"
        connection.request("POST", path, body=body, headers=headers)
        response = connection.getresponse()
        answer = response.read(MAX_ANSWER + 1)
        if len(answer) > MAX_ANSWER:
            raise http.client.HTTPException("the answer is too large")
        if response.length:
            raise http.client.IncompleteRead(answer, response.length)
        return response.status, answer

    def _connection(self, url: str) -> http.client.HTTPConnection:
        """This thread's connection to the server of ``url``."""
        origin = urlsplit(url)[:2]
        if getattr(self._local, "origin", None) != origin:
            self._drop_connection()
            self._local.connection = self._connect(url)
            self._local.origin = origin
        connection: http.client.HTTPConnection = self._local.connection
        return connection

    def _connect(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=ANSWER_TIMEOUT)
        proxy = urlsplit(get_environ_proxies(url).get("https", ""))
        connection = http.client.HTTPSConnection(
            proxy.hostname or host,
            proxy.port if proxy.hostname else port,
            timeout=ANSWER_TIMEOUT,
            context=self._tls,
        )
        if proxy.hostname:
            connection.set_tunnel(host, port)
        return connection

    def _drop_connection(self) -> None:
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
        self._local.origin = None

    def read(self, status: int, answer: bytes, records: int) -> Delivery:
        """What an answer to a request of so many records means; raises as :meth:`post`."""
        try:
            content = json.loads(answer)
        except (ValueError, RecursionError) as error:
            raise Unavailable(f"HTTP {status}, not JSON") from error
        if not isinstance(content, dict):
            raise Unavailable(f"HTTP {status}, not an object")
        if status == http.HTTPStatus.OK:
            return Delivery()
        code = str(content.get("__type", "")).rpartition("#")[2]
        message = str(content.get("message") or content.get("Message") or "")
        return self._read_error(status, code, message, content, records)

    def _read_error(
        self, status: int, code: str, message: str, content: dict[str, Any], records: int
    ) -> Delivery:
        if code == "ThrottlingException" or status == http.HTTPStatus.TOO_MANY_REQUESTS:
            raise Throttled(message)
        if code == "RejectedRecordsException":
            return Delivery(_rejections(content, records))
        if code == "InvalidEndpointException":
            self._account.forget_endpoint()
            raise Unavailable("endpoint moved", message)
        if is_of_credentials(code):
            raise CredentialsRefused(explain_code(code, message, self._account.target))
        if ends_the_run(code):
            raise TargetLost(explain_code(code, message, self._account.target))
        if code and http.HTTPStatus.BAD_REQUEST <= status < http.HTTPStatus.INTERNAL_SERVER_ERROR:
            reason = f"{code}: {message}"
            return Delivery(tuple(Rejection(index, reason) for index in range(records)))
        raise Unavailable(f"HTTP {status}" + (f", {code}" if code else ""), message)


def _rejections(content: dict[str, Any], records: int) -> tuple[Rejection, ...]:
    """The rejections of an answer; raises :class:`Unavailable` where they make no sense."""
    listed = content.get("RejectedRecords")
    rejections = {}
    for entry in listed if isinstance(listed, list) else ():
        index = entry.get("RecordIndex") if isinstance(entry, dict) else None
        if not isinstance(index, int) or not 0 <= index < records:
            raise Unavailable("rejections that make no sense")
        version = entry.get("ExistingVersion")
        rejections[index] = Rejection(
            index,
            str(entry.get("Reason") or "no reason given"),
            version if isinstance(version, int) else None,
        )
    if not rejections:
        raise Unavailable("rejections that make no sense")
    return tuple(rejections[index] for index in sorted(rejections))


def _fault(error: Exception) -> str:
    """A failed exchange in a few words."""
    for kind, words in (
        (TimeoutError, "no answer in time"),
        (socket.gaierror, "host name not found"),
        (ConnectionRefusedError, "connection refused"),
        (ssl.SSLError, "TLS failed"),
        (http.client.RemoteDisconnected, "connection cut"),
        (ConnectionError, "connection cut"),
        (http.client.IncompleteRead, "answer cut short"),
        (http.client.HTTPException, "answer not understood"),
    ):
        if isinstance(error, kind):
            return words
    return "network error"
