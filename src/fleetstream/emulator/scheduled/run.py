"""One run of a scheduled query."""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
from msgspec import UNSET

from fleetstream.emulator.api.query_execution import service_error
from fleetstream.emulator.api.query_runner import QueryTask, stopped_after
from fleetstream.emulator.errors import (
    InternalServerException,
    QueryExecutionException,
    ServiceError,
    ThrottlingException,
    ValidationException,
)
from fleetstream.emulator.mapping.measures import Row
from fleetstream.emulator.mapping.record_writer import RecordWriter
from fleetstream.emulator.object_storage import ObjectStorage, StorageError
from fleetstream.emulator.scheduled.definition import ExecutionStats, RunSummary, ScheduledQuery
from fleetstream.emulator.scheduled.result_mapping import ResultMapping
from fleetstream.emulator.scheduled.scheduled_runtime import with_runtime
from fleetstream.emulator.scheduled.shapes import TimestreamConfiguration
from fleetstream.emulator.sql import TranslatedStatement, as_texts, translate
from fleetstream.emulator.store.store import TimestreamStore
from fleetstream.emulator.store.writer import Writer

_BATCH_ROWS = 1000
_SERVER_ERRORS = 500


class RunInterrupted(Exception):
    """The server is closing; the run counts as if it had not been made."""


@dataclass
class _Outcome:
    """What a run has done; ``errors`` are those of the error report."""

    rows: int = 0
    ingested: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    failure: ServiceError | None = None


class ScheduledQueryRunner:
    """Runs scheduled queries, and writes their results and error reports."""

    def __init__(
        self,
        store: TimestreamStore,
        writer: Writer,
        storage: ObjectStorage | None,
        query_timeout: float,
    ) -> None:
        """``storage`` is where error reports are written, if anywhere.

        A run is stopped after ``query_timeout`` seconds.
        """
        self._store = store
        self._writer = writer
        self._storage = storage
        self._query_timeout = query_timeout
        self._tasks: set[QueryTask] = set()
        self._interrupted = False

    def interrupt(self) -> None:
        """Stop the current run, and make later ones raise RunInterrupted."""
        self._interrupted = True
        for task in list(self._tasks):
            task.stop(InternalServerException("The server is shutting down."))
            task.interrupt_again()

    def check(self, query_string: str, target: TimestreamConfiguration | None) -> None:
        """Raises ValidationException if a query or its target is invalid."""
        self._prepare(query_string, target, self._store.clock.time())

    def run(
        self, query: ScheduledQuery, invocation: datetime, *, scheduled: bool
    ) -> tuple[RunSummary, bool]:
        """Run a query for its time of invocation.

        The second result is whether later runs can succeed: not if the query or its target is
        invalid. Too much time or memory and rejected records do not count as
        such. Raises RunInterrupted.
        """
        trigger = self._store.clock.time()
        started = time.monotonic()
        outcome = _Outcome()
        try:
            self._execute(query, invocation, trigger, outcome)
        except ServiceError as error:
            outcome.failure = error
        failure = outcome.failure.message if outcome.failure is not None else None
        if failure is None and outcome.errors:
            failure = "Some records were rejected; see the error report."
        kind = "AUTO" if scheduled else "MANUAL"
        summary = RunSummary(
            invocation_time=invocation.timestamp(),
            trigger_time=trigger.timestamp(),
            run_status=f"{kind}_TRIGGER_{'FAILURE' if failure else 'SUCCESS'}",
            execution_stats=ExecutionStats(
                execution_time_in_millis=int((time.monotonic() - started) * 1000),
                records_ingested=outcome.ingested,
                query_result_rows=outcome.rows,
            ),
            failure_reason=failure or UNSET,
        )
        if outcome.errors:
            names = (invocation, kind.title(), trigger)
            summary = self._report(query, summary, outcome.errors, names)
        return summary, not _is_invalid(outcome.failure)

    def _prepare(
        self, text: str, target: TimestreamConfiguration | None, invocation: datetime
    ) -> tuple[TranslatedStatement, ResultMapping | None]:
        statement = translate(with_runtime(text, invocation), self._store)
        if statement.sql is None:
            raise ValidationException("A scheduled query must be SELECT or WITH.")
        if target is None:
            return statement, None
        self._store.catalog.table(target.database_name, target.table_name)
        return statement, ResultMapping(target, statement)

    def _execute(
        self, query: ScheduledQuery, invocation: datetime, trigger: datetime, outcome: _Outcome
    ) -> None:
        """Raises ServiceError if the query or its target is, or has become, invalid."""
        target = query.target
        statement, mapping = self._prepare(query.request.query_string, target, invocation)
        version = int(trigger.timestamp() * 1000)
        for rows in self._batches(statement):
            outcome.rows += len(rows)
            if target is None or mapping is None:
                continue
            records = [record | {"Version": version} for record in mapping.records(rows)]
            self._write(target, records, outcome)

    def _batches(self, statement: TranslatedStatement) -> Iterator[list[Row]]:
        assert statement.sql is not None
        names = [column.name or "" for column in statement.columns]
        with self._store.cursor() as cursor, self._task() as task:
            try:
                with (
                    task.using(cursor),
                    cursor.sql(statement.sql).to_arrow_reader(_BATCH_ROWS) as batches,
                ):
                    for batch in batches:
                        task.check()
                        columns = [as_texts(column).to_pylist() for column in batch.columns]
                        yield [
                            dict(zip(names, values, strict=True))
                            for values in zip(*columns, strict=True)
                        ]
            # Arrow raises DuckDB's errors as its own, or as OSError.
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                task.check()
                raise service_error(error) from error

    @contextmanager
    def _task(self) -> Iterator[QueryTask]:
        """The task of a run, which ends after the query timeout; raises RunInterrupted."""
        try:
            with stopped_after(self._query_timeout) as task:
                self._tasks.add(task)
                if self._interrupted:
                    self.interrupt()
                try:
                    yield task
                finally:
                    self._tasks.discard(task)
        except InternalServerException as error:
            if self._interrupted:
                raise RunInterrupted from error
            raise

    def _write(
        self, target: TimestreamConfiguration, records: Sequence[dict[str, Any]], outcome: _Outcome
    ) -> None:
        """Write records; what is rejected is added to the outcome's errors."""
        reasons = RecordWriter(
            self._store, self._writer, target.database_name, target.table_name
        ).write(records)
        outcome.ingested += len(records) - len(reasons)
        by_reason: dict[str, list[dict[str, Any]]] = {}
        for index, reason in reasons.items():
            by_reason.setdefault(reason, []).append(records[index])
        outcome.errors += [_error(reason, rejected) for reason, rejected in by_reason.items()]

    def _report(
        self,
        query: ScheduledQuery,
        summary: RunSummary,
        errors: list[dict[str, Any]],
        names: tuple[datetime, str, datetime],
    ) -> RunSummary:
        """Write the error report, if there is a place for it; returns the run with its location."""
        configuration = query.request.error_report_configuration.s3_configuration
        invocation, kind, trigger = names
        parts = [
            (configuration.object_key_prefix or "").strip("/"),
            query.arn.rpartition("/")[2],
            f"{invocation.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            kind,
            f"{trigger.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        ]
        key = "/".join(part for part in parts if part)
        report = {"reportId": uuid.uuid4().hex.upper(), "errors": errors}
        if self._storage is None:
            return summary
        try:
            content = io.BytesIO(json.dumps(report, indent=4).encode())
            self._storage.put(configuration.bucket_name, key, content)
        except StorageError as error:
            reason = f"{summary.failure_reason} The error report is missing: {error}"
            return msgspec.structs.replace(summary, failure_reason=reason)
        location = {"BucketName": configuration.bucket_name, "ObjectKey": key}
        return msgspec.structs.replace(
            summary, error_report_location={"S3ReportLocation": location}
        )


def _is_invalid(failure: ServiceError | None) -> bool:
    """Whether a failure is the query's own, and not one of the server at this moment."""
    if failure is None or isinstance(failure, QueryExecutionException | ThrottlingException):
        return False
    return failure.status < _SERVER_ERRORS


def _error(reason: str, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """An error of the report; its members start with small letters."""
    return {"reason": reason, "records": [_decapitalized(record) for record in records]}


def _decapitalized(value: Any) -> Any:
    if isinstance(value, list):
        return [_decapitalized(element) for element in value]
    if isinstance(value, dict):
        return {
            name[0].lower() + name[1:]: _decapitalized(member) for name, member in value.items()
        }
    return value
