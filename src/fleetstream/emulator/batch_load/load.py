"""One load: all files of a task, and the report of its errors."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec
from msgspec import UNSET

from fleetstream.emulator.api.decoding import decode
from fleetstream.emulator.batch_load.csv_file import CsvRow, InvalidFile, read_csv
from fleetstream.emulator.batch_load.data_model import DataModelMapping, InvalidRow
from fleetstream.emulator.batch_load.shapes import (
    CreateBatchLoadTask,
    CsvConfiguration,
    DataModel,
    DataModelConfiguration,
)
from fleetstream.emulator.batch_load.task import BatchLoadTask, ProgressReport
from fleetstream.emulator.errors import ServiceError, ValidationException
from fleetstream.emulator.mapping.record_writer import RecordWriter
from fleetstream.emulator.object_storage import ObjectStorage, StorageError

ROWS_PER_WRITE = 1000


class LoadStopped(Exception):
    """The server is closing; the task can be resumed."""


def read_data_model(request: CreateBatchLoadTask, storage: ObjectStorage) -> DataModelMapping:
    """The data model of a task; raises ValidationException if it is invalid or missing."""
    configuration = request.data_model_configuration or DataModelConfiguration()
    location = configuration.data_model_s3_configuration
    if (configuration.data_model is UNSET) == (location is UNSET):
        raise ValidationException(
            "DataModelConfiguration needs either a DataModel or a DataModelS3Configuration."
        )
    if configuration.data_model is not UNSET:
        model = configuration.data_model
    else:
        assert location is not UNSET
        if location.bucket_name is UNSET or location.object_key is UNSET:
            raise ValidationException("DataModelS3Configuration needs BucketName and ObjectKey.")
        try:
            with storage.get(location.bucket_name, location.object_key) as content:
                model = _decode_model(content.read())
        except StorageError as error:
            raise ValidationException(str(error)) from error
        except ServiceError as error:
            raise ValidationException(f"The data model is invalid: {error.message}") from error
    return DataModelMapping(model, request.record_version or 1)


def _decode_model(text: bytes) -> DataModel:
    """The data model of a file, which has it alone or as a DataModelConfiguration."""
    configuration = decode(text, DataModelConfiguration)
    if configuration.data_model is not UNSET:
        return configuration.data_model
    return decode(text, DataModel)


class Load:
    """Loads the files of a task, one after the other."""

    def __init__(
        self,
        task: BatchLoadTask,
        storage: ObjectStorage,
        writer: RecordWriter,
        report_progress: Callable[[ProgressReport], None],
        is_closing: Callable[[], bool],
    ) -> None:
        self._task = task
        self._storage = storage
        self._writer = writer
        self._report_progress = report_progress
        self._is_closing = is_closing
        self._progress = ProgressReport()
        self._file_errors: list[dict[str, Any]] = []

    def run(self) -> str | None:
        """Load everything; returns why the task has failed, None if it has not.

        Raises LoadStopped if the server is closing.
        """
        source = self._task.request.data_source_configuration.data_source_s3_configuration
        task_errors: list[str] = []
        try:
            mapping = read_data_model(self._task.request, self._storage)
            keys = self._storage.keys(source.bucket_name, source.object_key_prefix or "")
            if not keys:
                prefix = source.object_key_prefix or ""
                raise StorageError(f"There is no object s3://{source.bucket_name}/{prefix}*")
            for key in keys:
                self._load_file(source.bucket_name, key, mapping)
        except (ServiceError, StorageError) as error:
            task_errors.append(str(error))
        if not task_errors and not self._file_errors:
            return None
        reason = task_errors[0] if task_errors else "Some records or files could not be loaded."
        return self._write_report(reason, task_errors)

    def _load_file(self, bucket: str, key: str, mapping: DataModelMapping) -> None:
        lines_by_reason: dict[str, list[list[int]]] = {}
        configuration = (
            self._task.request.data_source_configuration.csv_configuration or CsvConfiguration()
        )
        try:
            with self._storage.get(bucket, key) as content:
                rows = read_csv(content, configuration, mapping.columns())
                while part := list(islice(rows, ROWS_PER_WRITE)):
                    if self._is_closing():
                        raise LoadStopped
                    self._load_rows(part, mapping, lines_by_reason)
        except (InvalidFile, StorageError) as error:
            self._count(file_failures=1)
            lines_by_reason[str(error)] = []
        if lines_by_reason:
            errors = [
                {"reason": reason, "lineRanges": lines} for reason, lines in lines_by_reason.items()
            ]
            self._file_errors.append({"fileName": key, "errors": errors})

    def _load_rows(
        self,
        rows: list[CsvRow],
        mapping: DataModelMapping,
        lines_by_reason: dict[str, list[list[int]]],
    ) -> None:
        records: list[dict[str, Any]] = []
        lines: list[tuple[int, int]] = []
        failures: list[tuple[tuple[int, int], str]] = []
        for row in rows:
            try:
                if row.error is not None:
                    raise InvalidRow(row.error)
                made = list(mapping.records(row.values))
            except InvalidRow as error:
                failures.append((row.lines, str(error)))
            else:
                records += made
                lines += [row.lines] * len(made)
        parse_failures = len(failures)
        reasons = self._writer.write(records)
        failures += [(lines[index], reason) for index, reason in sorted(reasons.items())]
        for place, reason in failures:
            _add_lines(lines_by_reason.setdefault(reason, []), place)
        self._count(
            records_processed=len(records) + parse_failures,
            records_ingested=len(records) - len(reasons),
            parse_failures=parse_failures,
            record_ingestion_failures=len(reasons),
        )

    def _count(self, **added: int) -> None:
        counts = {name: getattr(self._progress, name) + value for name, value in added.items()}
        self._progress = msgspec.structs.replace(self._progress, **counts)
        self._report_progress(self._progress)

    def _write_report(self, reason: str, task_errors: list[str]) -> str:
        """Write the error report, if there is a place for it; returns the task's error."""
        place = self._task.request.report_configuration.report_s3_configuration
        if place is UNSET:
            return reason
        report = {
            "taskId": self._task.id,
            "taskErrors": [{"reason": error} for error in task_errors],
            "fileErrors": self._file_errors,
        }
        prefix = (place.object_key_prefix or "").strip("/")
        key = f"{prefix}/{self._task.id}.json" if prefix else f"{self._task.id}.json"
        try:
            content = io.BytesIO(json.dumps(report, indent=4).encode())
            self._storage.put(place.bucket_name, key, content)
        except StorageError as error:
            return f"{reason} The error report is missing: {error}"
        return f"{reason} See s3://{place.bucket_name}/{key}"


def _add_lines(ranges: list[list[int]], lines: tuple[int, int]) -> None:
    """Add lines to ranges in ascending order, extending the last one if they follow it."""
    first, last = lines
    if ranges and first <= ranges[-1][1] + 1:
        ranges[-1][1] = max(last, ranges[-1][1])
    else:
        ranges.append([first, last])
