"""Sends signed WriteRecords bodies to the service, and reads its answers."""

import http
import json
from typing import Any

import botocore.exceptions as aws

from fleetstream.targets.http import HttpClient
from fleetstream.targets.sink import Delivery, Rejection, TargetLost, Throttled, Unavailable
from fleetstream.targets.timestream.account import (
    Account,
    ends_the_run,
    explain_code,
    is_of_credentials,
)

_HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "Timestream_20181101.WriteRecords",
}


class CredentialsRefused(TargetLost):
    """The service refuses the credentials of a request."""


class Transport:
    """Sends bodies to the table of an account; used from several threads."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._http = HttpClient(account.ca_bundle)

    def post(self, body: bytes, records: int) -> Delivery:
        """Deliver a body with so many records. Raises Throttled, Unavailable or TargetLost."""
        try:
            url = self._account.endpoint()
        except (aws.BotoCoreError, aws.ClientError) as error:
            raise Unavailable("endpoint not found", str(error)) from error
        signer = self._account.signer()
        answer = self._http.exchange("POST", url, _HEADERS, body, signer=signer)
        try:
            return self.read(answer.status, answer.body, records)
        except CredentialsRefused:
            if self._account.renewed(signer):
                raise Unavailable("credentials renewed") from None
            raise

    def close(self) -> None:
        """Close this thread's connection."""
        self._http.close()

    def read(self, status: int, answer: bytes, records: int) -> Delivery:
        """What an answer to a request of so many records means. Raises as :meth:`post` does."""
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
            raise CredentialsRefused(explain_code(code, message, self._account.table))
        if ends_the_run(code):
            raise TargetLost(explain_code(code, message, self._account.table))
        if code and http.HTTPStatus.BAD_REQUEST <= status < http.HTTPStatus.INTERNAL_SERVER_ERROR:
            reason = f"{code}: {message}"
            return Delivery(tuple(Rejection(index, reason) for index in range(records)))
        raise Unavailable(f"HTTP {status}" + (f", {code}" if code else ""), message)


def _rejections(content: dict[str, Any], records: int) -> tuple[Rejection, ...]:
    """The rejections of an answer. Raises Unavailable where they contradict the request."""
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
