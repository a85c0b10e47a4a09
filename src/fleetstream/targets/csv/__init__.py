"""CSV files for the batch load of Amazon Timestream."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.registry import Schemas, Target, TargetOptions

if TYPE_CHECKING:
    from fleetstream.generate.generator import Generator
    from fleetstream.targets.sink import Sink


def _open_sink(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "Sink":
    from fleetstream.targets.csv.batch_load import BatchLoadFormat
    from fleetstream.targets.file_sink import FileSink
    from fleetstream.targets.file_storage import open_folder

    if not options.path:
        raise ValueError("The target 'csv:' needs a folder, for example csv:batch-load.")
    storage, file_format = open_folder(Path(options.path)), BatchLoadFormat(model, schemas)
    return FileSink(storage, file_format, model, file_format.query(storage.root))


def _problems(generator: "Generator", model: RecordModel) -> Iterable[str]:
    """Those of Amazon Timestream, which is to load the files."""
    from fleetstream.targets.timestream.limits import problems

    return problems(generator, model)


TARGETS = [Target("csv", "csv:DIR", _open_sink, problems=_problems)]
