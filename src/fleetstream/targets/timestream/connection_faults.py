"""What keeps botocore from an answer, in a few words for people."""

import ssl

import botocore.exceptions as aws
from urllib3.exceptions import NameResolutionError

CONNECTION_ERRORS = (aws.HTTPClientError, aws.ConnectionError)

_KINDS: dict[type[aws.BotoCoreError], str] = {
    aws.ConnectTimeoutError: "no answer in time",
    aws.ReadTimeoutError: "no answer in time",
    aws.ConnectionClosedError: "connection cut",
    aws.ProxyConnectionError: "no connection to the proxy",
}


def connection_fault(error: aws.BotoCoreError) -> str:
    """The fault behind one of :data:`CONNECTION_ERRORS`."""
    if type(error) in _KINDS:
        return _KINDS[type(error)]
    cause = error.kwargs.get("error")
    if isinstance(cause, NameResolutionError):
        return "host name not found"
    if isinstance(error, aws.SSLError):
        return f"TLS failed: {_tls_fault(cause)}"
    root = getattr(cause, "__cause__", None)
    if isinstance(root, OSError) and root.strerror:
        return root.strerror.lower()
    return "no connection"


def _tls_fault(cause: object) -> str:
    inner = next(iter(getattr(cause, "args", ())), None)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return inner.verify_message
    reason = inner.reason if isinstance(inner, ssl.SSLError) else None
    if reason == "WRONG_VERSION_NUMBER":
        return "the port is one without TLS"
    return reason.lower().replace("_", " ") if reason else str(cause)
