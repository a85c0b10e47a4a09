"""The errors of Timestream's APIs.

Names and HTTP statuses are those of the service's Smithy models (``timestream-write.json`` and
``timestream-query.json`` of the AWS SDKs). The errors that every AWS service of this protocol has
are at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

_TIMESTREAM = "com.amazonaws.timestream.v20181101"
_CORAL = "com.amazon.coral.service"


class ServiceError(Exception):
    """An error response.

    The class has the error's name. ``status`` is its HTTP status, ``namespace`` the prefix of its
    name in the response, and ``extra`` further members of the response's body.
    """

    status: ClassVar[int] = 500
    namespace: ClassVar[str] = _TIMESTREAM

    def __init__(self, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.extra = extra

    def body(self) -> dict[str, Any]:
        """The response's body, as JSON types."""
        return {
            "__type": f"{self.namespace}#{type(self).__name__}",
            # The service sends the first, its model defines the second, and SDKs read either.
            "message": self.message,
            "Message": self.message,
            **self.extra,
        }


class ValidationException(ServiceError):
    """The request is invalid or malformed."""

    status = 400


class ResourceNotFoundException(ServiceError):
    """The database, table or other resource does not exist."""

    status = 404


class ConflictException(ServiceError):
    """The resource exists already, or its state does not allow the operation."""

    status = 409


class ServiceQuotaExceededException(ServiceError):
    """The account has reached a limit."""

    status = 402


class ThrottlingException(ServiceError):
    """Too many requests; the client should retry later."""

    status = 429


class InternalServerException(ServiceError):
    """The service failed while it processed a valid request; the client may retry."""

    status = 500


class QueryExecutionException(ServiceError):
    """The query is valid, but did not finish."""

    status = 400


class RejectedRecordsException(ServiceError):
    """Some records of a request were not stored; the others were."""

    status = 419

    def __init__(self, rejected: Sequence[dict[str, Any]]) -> None:
        super().__init__(
            "One or more records have been rejected. See RejectedRecords for details.",
            RejectedRecords=list(rejected),
        )


class SerializationException(ServiceError):
    """The body is not JSON, or a value has the wrong JSON type."""

    status = 400
    namespace = _CORAL


class UnknownOperationException(ServiceError):
    """The service has no such operation."""

    status = 400
    namespace = _CORAL


class RequestEntityTooLargeException(ServiceError):
    """The body is larger than the largest valid request."""

    status = 413
    namespace = _CORAL
