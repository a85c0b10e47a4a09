"""Records of a table that is deleted, or replaced, before they are stored."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from fleetstream.emulator.api import shapes
from fleetstream.emulator.api.catalog_operations import CatalogOperations
from fleetstream.emulator.api.decoding import decode
from fleetstream.emulator.api.write_records import read_records
from fleetstream.emulator.errors import InternalServerException, ResourceNotFoundException
from fleetstream.emulator.store.pending_records import PendingRecords
from fleetstream.emulator.store.store import TimestreamStore
from fleetstream.emulator.store.table_data import TableData
from fleetstream.emulator.store.writer import Writer

REQUEST = (
    b'{"DatabaseName": "database", "TableName": "table", "Records": [{"MeasureName": "cpu",'
    b' "MeasureValue": "1", "Time": "1000", "Dimensions": [{"Name": "host", "Value": "a"}]}]}'
)


OTHER = shapes.CreateDatabase("other")


@pytest.fixture
def store() -> Iterator[TimestreamStore]:
    store = TimestreamStore()
    CatalogOperations(store).create_database(shapes.CreateDatabase("database"))
    create_table(store)
    yield store
    store.close()


def create_table(store: TimestreamStore) -> None:
    CatalogOperations(store).create_table(shapes.CreateTable("database", "table"))


def delete_table(store: TimestreamStore) -> None:
    CatalogOperations(store).delete_table(shapes.TableReference("database", "table"))


def read(store: TimestreamStore, value: bytes = b"1", host: bytes = b"a") -> PendingRecords:
    table = store.catalog.table("database", "table")
    body = REQUEST.replace(b'"MeasureValue": "1"', b'"MeasureValue": "%s"' % value)
    body = body.replace(b'"Value": "a"', b'"Value": "%s"' % host)
    return read_records(decode(body, shapes.WriteRecords), table, 2_000_000_000_000)


def stored(store: TimestreamStore) -> list[tuple[Any, ...]]:
    names = [column.name for column in store.columns("database", "table")]
    with store.cursor() as cursor:
        return cursor.sql(f"SELECT * FROM {store.relation('database', 'table', names)}").fetchall()


def test_records_of_an_existing_table_are_stored(store: TimestreamStore) -> None:
    writer = Writer(store)
    writer.write(read(store)).result(10)
    writer.close()
    assert len(stored(store)) == 1


@pytest.mark.parametrize("recreated", [False, True])
def test_records_of_a_deleted_table_are_refused(store: TimestreamStore, recreated: bool) -> None:
    pending = read(store)
    delete_table(store)
    if recreated:
        create_table(store)
    writer = Writer(store)
    with pytest.raises(ResourceNotFoundException, match="table"):
        writer.write(pending).result(10)
    writer.close()
    if recreated:
        assert stored(store) == []


def test_a_failed_commit_keeps_what_was_acknowledged_before(
    store: TimestreamStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are buffered in memory; what is known of them must not be lost with a transaction."""
    writer = Writer(store)
    writer.write(read(store)).result(10)

    def fail(*_: object) -> None:
        raise RuntimeError("no insert")

    with monkeypatch.context() as patch:
        patch.setattr(TableData, "_write_measures", fail)
        with pytest.raises(InternalServerException):
            writer.write(read(store)).result(10)
    repeated = writer.write(read(store)).result(10)
    assert repeated.rejections == {}
    other = read(store, value=b"2")
    writer.write(other).result(10)
    assert [rejection["ExistingVersion"] for rejection in other.rejections.values()] == [1]
    assert len(stored(store)) == 1
    writer.close()


def test_buffered_rows_are_inserted_before_a_table_changes(store: TimestreamStore) -> None:
    writer = Writer(store)
    writer.write(read(store)).result(10)
    writer.run(lambda: CatalogOperations(store).create_database(OTHER)).result(10)
    assert len(stored(store)) == 1
    writer.write(read(store, host=b"b")).result(10)
    assert len(stored(store)) == 2
    writer.close()


def test_buffered_rows_are_deleted_at_the_end_of_their_retention(store: TimestreamStore) -> None:
    writer = Writer(store)
    writer.write(read(store)).result(10)
    store.clock.set(datetime(2199, 1, 1, tzinfo=UTC))
    writer.run(lambda: store.expire("database", "table")).result(10)
    store.clock.reset()
    assert stored(store) == []
    writer.write(read(store, host=b"b")).result(10)
    assert len(stored(store)) == 1
    writer.close()
