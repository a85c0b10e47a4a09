"""The errors that Timestream's APIs answer with.

Names and HTTP statuses are those of the service's published Smithy models
(`timestream-write.json` and `timestream-query.json` of the AWS SDKs). What every AWS service of
this protocol can answer, whatever its model says, is at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

_TIMESTREAM = "com.amazonaws.timestream.v20181101"
_CORAL = "com.amazon.coral.service"


class ServiceError(Exception):
    """An answer other than success.

    `code` is the error's name, `status` its HTTP status, `namespace` what the wire format puts
    before the name, and `extra` what the answer's body holds besides name and message.
    """

    code: ClassVar[str] = "InternalServerException"
    status: ClassVar[int] = 500
    namespace: ClassVar[str] = _TIMESTREAM

    def __init__(self, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.extra = extra

    def body(self) -> dict[str, Any]:
        """The answer's body, as JSON."""
        return {
            "__type": f"{self.namespace}#{self.code}",
            # The service sends the one, its model has the other, and SDKs read either.
            "message": self.message,
            "Message": self.message,
            **self.extra,
        }


class ValidationException(ServiceError):
    """The request is invalid or malformed."""

    code = "ValidationException"
    status = 400


class ResourceNotFoundException(ServiceError):
    """The database, table or other resource does not exist."""

    code = "ResourceNotFoundException"
    status = 404


class ConflictException(ServiceError):
    """The resource exists already, or is in a state that does not allow the operation."""

    code = "ConflictException"
    status = 409


class ServiceQuotaExceededException(ServiceError):
    """The account has as much of this as it may have."""

    code = "ServiceQuotaExceededException"
    status = 402


class ThrottlingException(ServiceError):
    """Too many requests for the moment; the client is to try again."""

    code = "ThrottlingException"
    status = 429


class InternalServerException(ServiceError):
    """The service failed, at no fault of the request's; the client may try again."""

    code = "InternalServerException"
    status = 500


class QueryExecutionException(ServiceError):
    """The query was in order, but could not be run to its end."""

    code = "QueryExecutionException"
    status = 400


class RejectedRecordsException(ServiceError):
    """Some records of a request were not stored; all the others were."""

    code = "RejectedRecordsException"
    status = 419

    def __init__(self, rejected: Sequence[dict[str, Any]]) -> None:
        super().__init__(
            "One or more records have been rejected. See RejectedRecords for details.",
            RejectedRecords=list(rejected),
        )


class SerializationException(ServiceError):
    """The body is not JSON of the operation's shape."""

    code = "SerializationException"
    status = 400
    namespace = _CORAL


class UnknownOperationException(ServiceError):
    """The service has no such operation."""

    code = "UnknownOperationException"
    status = 400
    namespace = _CORAL


class RequestEntityTooLargeException(ServiceError):
    """The body is larger than any valid request can be."""

    code = "RequestEntityTooLargeException"
    status = 413
    namespace = _CORAL
