"""A table's series are only read by queries that use them."""

from collections.abc import Iterator

import pytest

from fleetstream.emulator.api import shapes
from fleetstream.emulator.api.catalog_operations import CatalogOperations
from fleetstream.emulator.api.decoding import decode
from fleetstream.emulator.api.write_records import read_records
from fleetstream.emulator.sql import translate
from fleetstream.emulator.store.store import TimestreamStore

REQUEST = b"""{"DatabaseName": "db", "TableName": "t", "Records": [
    {"MeasureName": "load", "MeasureValue": "3", "Time": "1000",
     "Dimensions": [{"Name": "host", "Value": "a"}]},
    {"MeasureName": "load", "MeasureValue": "4", "Time": "2000",
     "Dimensions": [{"Name": "host", "Value": "b"}]}]}"""


@pytest.fixture(scope="module")
def store() -> Iterator[TimestreamStore]:
    store = TimestreamStore()
    operations = CatalogOperations(store)
    operations.create_database(shapes.CreateDatabase("db"))
    operations.create_table(shapes.CreateTable("db", "t"))
    table = store.catalog.table("db", "t")
    store.write([read_records(decode(REQUEST, shapes.WriteRecords), table, 2_000_000_000)])
    yield store
    store.close()


@pytest.mark.parametrize(
    ("sql", "series"),
    [
        ("SELECT count(*) FROM db.t", 0),
        ("SELECT max(measure_value::double), min(time) FROM db.t WHERE time < now()", 0),
        ("SELECT count(*) FROM db.t AS a JOIN db.t AS b USING (time)", 0),
        ("SELECT count(*) FROM db.t WHERE measure_name = 'load'", 1),
        ("SELECT time FROM db.t ORDER BY host", 1),
        ("SELECT max(host) FROM db.t", 1),
        ("SELECT * FROM db.t", 1),
        ("SELECT count(*) FROM db.t AS a JOIN db.t AS b ON a.time = b.time AND b.host = 'a'", 1),
        ("SELECT count(*) FROM db.t AS a JOIN db.t AS b USING (host)", 2),
        (
            (
                "SELECT count(*) FROM db.t AS a"
                " WHERE EXISTS (SELECT 1 FROM db.t AS b WHERE b.time <= a.time AND a.host = 'b')"
            ),
            1,
        ),
        ("SELECT 'host' FROM db.t GROUP BY time HAVING count(*) > 0", 0),
    ],
)
def test_series_are_read_if_they_are_used(store: TimestreamStore, sql: str, series: int) -> None:
    translated = translate(sql, store).sql
    assert translated is not None
    assert translated.count("data.series_") == series
    with store.cursor() as cursor:
        assert cursor.execute(translated).fetchall()
