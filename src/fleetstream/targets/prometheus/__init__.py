"""Prometheus and what else takes its remote write, versions 1.0 and 2.0, read back by query."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.endpoint import check_read_url
from fleetstream.targets.registry import Schemas, Target, TargetOptions

if TYPE_CHECKING:
    from fleetstream.generate.generator import Generator
    from fleetstream.targets.prometheus.sink import PrometheusSink
    from fleetstream.targets.reader import Reader


DEFAULT_JOB = "fleetstream"


def _open_sink(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "PrometheusSink":
    from fleetstream.targets.prometheus.naming import Naming
    from fleetstream.targets.prometheus.server import PrometheusServer
    from fleetstream.targets.prometheus.sink import PrometheusSink

    check_read_url(options.read_url)
    naming = Naming(schemas, options.table_name or DEFAULT_JOB)
    return PrometheusSink(PrometheusServer(options.path, options.read_url), naming, model)


def _open_reader(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "Reader":
    from fleetstream.targets.prometheus.naming import Naming
    from fleetstream.targets.prometheus.reader import PrometheusReader
    from fleetstream.targets.prometheus.server import PrometheusServer

    check_read_url(options.read_url)
    naming = Naming(schemas, options.table_name or DEFAULT_JOB)
    return PrometheusReader(
        PrometheusServer(options.path, options.read_url), naming, model, schemas
    )


def _problems(generator: "Generator", _model: RecordModel) -> Iterator[str]:
    from fleetstream.targets.prometheus.naming import Naming

    try:
        Naming(tuple(generator.schemas.values()), DEFAULT_JOB)
    except ValueError as error:
        yield str(error)


TARGETS = [
    Target(
        scheme="prometheus",
        url="prometheus:URL",
        open_sink=_open_sink,
        open_reader=_open_reader,
        problems=_problems,
        options=frozenset({"table_name", "read_url"}),
        extra="prometheus",
    )
]
