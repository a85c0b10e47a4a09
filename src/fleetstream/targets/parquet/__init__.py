"""Parquet files in a local folder or in S3, partitioned as Hive does."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.registry import Schemas, Target, TargetOptions

if TYPE_CHECKING:
    from fleetstream.generate.generator import Generator
    from fleetstream.targets.file_storage import Storage
    from fleetstream.targets.parquet.file_format import ParquetFormat
    from fleetstream.targets.reader import Reader
    from fleetstream.targets.sink import Sink


def _open_sink(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "Sink":
    from fleetstream.targets.file_sink import FileSink

    storage, file_format = _storage(options), _format(model, schemas)
    query = file_format.query(storage.root) if options.scheme == "parquet" else None
    return FileSink(storage, file_format, model, query)


def _open_reader(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "Reader":
    from fleetstream.targets.file_reader import FileReader

    file_format = _format(model, schemas)
    return FileReader(_storage(options), file_format, file_format.columns.all)


def _format(model: RecordModel, schemas: Schemas) -> "ParquetFormat":
    from fleetstream.targets.columns import TableColumns
    from fleetstream.targets.parquet.file_format import ParquetFormat

    return ParquetFormat(TableColumns(model, tuple(schemas)))


def _storage(options: TargetOptions) -> "Storage":
    """Raises ValueError where options are not complete, TargetUnusable without such a bucket."""
    from fleetstream.targets.endpoint import check_endpoint
    from fleetstream.targets.file_storage import open_bucket, open_folder

    if options.scheme == "parquet":
        if not options.path:
            raise ValueError("The target 'parquet:' needs a folder, for example parquet:lake.")
        return open_folder(Path(options.path))
    path = options.path.removeprefix("//")
    if path == options.path or not path.partition("/")[0]:
        raise ValueError("The target 's3:' needs a bucket, for example s3://my-bucket/fleet.")
    if options.endpoint_url is not None:
        check_endpoint(options.endpoint_url)
    return open_bucket(path, options.region, options.endpoint_url)


def _problems(generator: "Generator", model: RecordModel) -> Iterable[str]:
    from fleetstream.targets.parquet.limits import problems

    return problems(generator, model)


TARGETS = [
    Target("parquet", "parquet:DIR", _open_sink, _open_reader, problems=_problems),
    Target(
        "s3",
        "s3://BUCKET/PREFIX",
        _open_sink,
        _open_reader,
        options=frozenset({"region", "endpoint_url"}),
        problems=_problems,
    ),
]
