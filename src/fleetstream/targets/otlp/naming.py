"""Metrics and attributes of OpenTelemetry, derived from the schemas of batches.

Attributes have the names of OpenTelemetry's semantic conventions where those have the dimension:
registries "cloud", "host", "k8s", "os", "process" and "service". Units are UCUM's, with words in
braces.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from math import isinf

import pyarrow as pa

from fleetstream.generate.schema import (
    begun_of,
    bucket_of,
    dimension_names,
    is_counter,
    kind_of,
    measure_fields,
)
from fleetstream.model import DataType

NAMESPACE = "service.namespace"
"""The attribute that tells the series of one table from all others."""

_ANYWHERE = {
    "account": "cloud.account.id",
    "availability_zone": "cloud.availability_zone",
    "container": "container.name",
    "host": "host.name",
    "hostname": "host.name",
    "host_name": "host.name",
    "instance_name": "host.name",
    "instance_type": "host.type",
    "jdk_version": "process.runtime.version",
    "microservice": "service.name",
    "microservice_name": "service.name",
    "os_version": "os.version",
    "process": "process.executable.name",
    "process_name": "process.executable.name",
    "region": "cloud.region",
    "service": "service.name",
    "zone": "cloud.availability_zone",
}

_OF_SERVICES = {"instance": "service.instance.id", "version": "service.version"}
"""Where series have a dimension ``service``."""

_OF_KUBERNETES = {
    "cluster": "k8s.cluster.name",
    "container": "k8s.container.name",
    "deployment": "k8s.deployment.name",
    "namespace": "k8s.namespace.name",
    "node": "k8s.node.name",
    "pod": "k8s.pod.name",
}
"""Where a fleet has a dimension ``pod``."""

_UNITS = {
    "B": "By", "kB": "kBy", "MB": "MBy", "GB": "GBy", "TB": "TBy",
    "KiB": "KiBy", "MiB": "MiBy", "GiB": "GiBy", "kWh": "kW.h",
}  # fmt: skip
"""UCUM's form of other units."""

_WORDS = re.compile(r"[a-z]{4,}|rpm|.*\s.*")
"""Units that UCUM does not have: words, which it takes in braces."""


class DataShape(Enum):
    """The data of a metric: a kind of data points."""

    GAUGE = auto()
    SUM = auto()
    HISTOGRAM = auto()


@dataclass(frozen=True, slots=True)
class OtlpMetric:
    """A metric of a kind.

    ``measures`` are the measures that its data points consist of: one, or in a histogram its
    buckets in ascending order, the last of which counts all events, and then the sum. ``bounds``
    are the upper bounds of all buckets but the last. Truth is 1 and 0, times are milliseconds of
    Unix time.
    """

    name: str
    shape: DataShape
    unit: str
    data_type: DataType
    measures: tuple[str, ...]
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """The metrics of a kind of series, and the attributes of their resources by dimension.

    ``begun`` is when the counts of its sums and histograms begin, in microseconds; None where that
    is not known.
    """

    name: str
    metrics: tuple[OtlpMetric, ...]
    attributes: dict[str, str]
    begun: int | None

    @property
    def scope(self) -> str:
        """The name of the instrumentation scope."""
        return f"fleetstream.{self.name}"


class OtlpNaming:
    """What batches of ``schemas`` are called, in the table ``namespace``.

    Raises ValueError where two measures would get the same name.
    """

    def __init__(self, schemas: Sequence[pa.Schema], namespace: str) -> None:
        self.namespace = namespace
        all_dimensions = {name for schema in schemas for name in dimension_names(schema)}
        kubernetes = _OF_KUBERNETES if "pod" in all_dimensions else {}
        self.kinds = {kind_of(schema): _kind(schema, kubernetes) for schema in schemas}


def _kind(schema: pa.Schema, kubernetes: dict[str, str]) -> Kind:
    dimensions = dimension_names(schema)
    known = _ANYWHERE | (_OF_SERVICES if "service" in dimensions else {}) | kubernetes
    metrics = tuple(_metrics(measure_fields(schema)))
    names = [metric.name for metric in metrics]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"A measure and a histogram would both be the metric {name!r} in OpenTelemetry; "
                "rename one."
            )
    return Kind(kind_of(schema), metrics, _attributes(dimensions, known), begun_of(schema))


def _attributes(dimensions: Sequence[str], known: dict[str, str]) -> dict[str, str]:
    """The attribute of each dimension; conventional names only where they are unambiguous.

    A dimension with the name of :data:`NAMESPACE` gets an underscore after it.
    """
    conventional = [known.get(name, name) for name in dimensions]
    chosen = [
        attribute if conventional.count(attribute) == 1 else name
        for name, attribute in zip(dimensions, conventional, strict=True)
    ]
    return {
        name: f"{attribute}_" if attribute == NAMESPACE else attribute
        for name, attribute in zip(dimensions, chosen, strict=True)
    }


def _metrics(fields: Iterable[pa.Field]) -> Iterable[OtlpMetric]:
    """The metrics, in the order of the measures."""
    histograms: dict[str, list[pa.Field]] = {}
    for field in fields:
        bucket = bucket_of(field)
        if bucket is None:
            yield _plain(field)
            continue
        parts = histograms.setdefault(bucket.histogram, [])
        parts.append(field)
        if bucket.bound is None:
            yield _histogram(bucket.histogram, parts)


def _plain(field: pa.Field) -> OtlpMetric:
    data_type = DataType.of(field.type)
    if data_type is DataType.TIMESTAMP:
        return OtlpMetric(field.name, DataShape.GAUGE, "ms", DataType.BIGINT, (field.name,))
    counts = is_counter(field) or field.name.endswith("_total")
    shape = DataShape.SUM if counts and data_type is not DataType.VARCHAR else DataShape.GAUGE
    return OtlpMetric(field.name, shape, _unit(field), data_type, (field.name,))


def _histogram(name: str, parts: Sequence[pa.Field]) -> OtlpMetric:
    found = [bucket_of(field) for field in parts]
    bounds = [each.bound for each in found if each and each.bound is not None]
    return OtlpMetric(
        name,
        DataShape.HISTOGRAM,
        _unit(parts[-1]),
        DataType.DOUBLE,
        tuple(field.name for field in parts),
        tuple(bound for bound in bounds if not isinf(bound)),
    )


def _unit(field: pa.Field) -> str:
    unit = (field.metadata or {}).get(b"unit", b"").decode()
    unit = _UNITS.get(unit, unit)
    return f"{{{unit}}}" if _WORDS.fullmatch(unit) else unit
