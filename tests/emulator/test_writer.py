"""Records of a table that is deleted, or replaced, before they are stored."""

from collections.abc import Iterator
from typing import Any

import pytest

from fleetstream.emulator.api import shapes
from fleetstream.emulator.api.catalog_operations import CatalogOperations
from fleetstream.emulator.api.decoding import decode
from fleetstream.emulator.api.write_records import read_records
from fleetstream.emulator.errors import ResourceNotFoundException
from fleetstream.emulator.store.pending_records import PendingRecords
from fleetstream.emulator.store.store import TimestreamStore
from fleetstream.emulator.store.writer import Writer

REQUEST = (
    b'{"DatabaseName": "database", "TableName": "table", "Records": [{"MeasureName": "cpu",'
    b' "MeasureValue": "1", "Time": "1000", "Dimensions": [{"Name": "host", "Value": "a"}]}]}'
)


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


def read(store: TimestreamStore) -> PendingRecords:
    table = store.catalog.table("database", "table")
    return read_records(decode(REQUEST, shapes.WriteRecords), table, 2_000_000_000_000)


def stored(store: TimestreamStore) -> list[tuple[Any, ...]]:
    with store.cursor() as cursor:
        return cursor.sql(f"SELECT * FROM {store.relation('database', 'table')}").fetchall()


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
