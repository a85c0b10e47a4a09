"""Settings from the environment, under the names of OpenTelemetry's specification of exporters.

Each is read from ``OTEL_EXPORTER_OTLP_METRICS_NAME``, else from ``OTEL_EXPORTER_OTLP_NAME``.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from fleetstream.targets.http import named_ca_bundle
from fleetstream.targets.sink import TargetUnusable

_PREFIXES = ("OTEL_EXPORTER_OTLP_METRICS_", "OTEL_EXPORTER_OTLP_")

_TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_TEXT = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@dataclass(frozen=True, slots=True)
class ExporterSettings:
    """How an exporter sends: additional headers, whether gzipped, and certificates.

    ``authorities`` is a file or folder of trusted certificates, None for those of the system;
    ``client_certificate`` the files of the client's own certificate and of its key.
    """

    headers: dict[str, str] = field(default_factory=dict, repr=False)
    gzip: bool = False
    authorities: str | None = None
    client_certificate: tuple[str, str] | None = None


def settings_from_environment() -> ExporterSettings:
    """Raises TargetUnusable where a variable is not understood or names a file that is not there.

    Messages have no values of headers, since those may be credentials.
    """
    compression = _variable("COMPRESSION")[1] or "none"
    if compression not in ("gzip", "none"):
        raise TargetUnusable(
            f"{_variable('COMPRESSION')[0]} is {compression!r}; set it to gzip or none."
        )
    temporality = os.environ.get(_TEMPORALITY, "").strip()
    if temporality.lower() not in ("", "cumulative"):
        raise TargetUnusable(
            f"{_TEMPORALITY} is {temporality!r}, but only cumulative sums and histograms are sent; "
            "set it to cumulative, and have the processor cumulativetodelta of a collector make "
            "deltas of them."
        )
    certificate, key = _file("CLIENT_CERTIFICATE"), _file("CLIENT_KEY")
    if (certificate is None) != (key is None):
        raise TargetUnusable(
            "A client certificate needs its key: set both OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE "
            "and OTEL_EXPORTER_OTLP_CLIENT_KEY, or neither."
        )
    return ExporterSettings(
        _headers(),
        gzip=compression == "gzip",
        authorities=_file("CERTIFICATE") or named_ca_bundle(),
        client_certificate=(certificate, key) if certificate and key else None,
    )


def _variable(name: str) -> tuple[str, str]:
    """The full name of the variable that counts, and its text, empty where there is none."""
    names = [f"{prefix}{name}" for prefix in _PREFIXES]
    full = next((each for each in names if os.environ.get(each)), names[-1])
    return full, os.environ.get(full, "").strip()


def _file(name: str) -> str | None:
    full, path = _variable(name)
    if path and not Path(path).exists():
        raise TargetUnusable(f"{full} names {path!r}, which does not exist.")
    return path or None


def _headers() -> dict[str, str]:
    """Headers by lower-case name, from ``name=value,name=value`` with percent-encoded values."""
    full, text = _variable("HEADERS")
    headers: dict[str, str] = {}
    for place, pair in enumerate(text.split(",") if text else [], 1):
        name, separator, value = (part.strip() for part in pair.partition("="))
        value = unquote(value)
        if not pair.strip():
            continue
        if not separator or not _HEADER_NAME.fullmatch(name) or not _HEADER_TEXT.fullmatch(value):
            raise TargetUnusable(
                f"The {place}. header in {full} is not understood; the form is "
                "name=value,name=value, with other characters than letters and digits "
                "percent-encoded, such as authorization=Bearer%20TOKEN."
            )
        headers[name.lower()] = value
    return headers
