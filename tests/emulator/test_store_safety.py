"""Should SQL of a client's ever reach DuckDB as it came, it could still do no harm."""

from pathlib import Path

import duckdb
import pytest

from fleetstream.emulator.store.store import TimestreamStore


@pytest.mark.parametrize("in_memory", [True, False], ids=["in memory", "in a file"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{folder}/secret.csv')",
        "SELECT * FROM read_text('{folder}/secret.csv')",
        "SELECT * FROM '{folder}/secret.csv'",
        "SELECT * FROM glob('{folder}/*')",
        "COPY (SELECT 1) TO '{folder}/written.csv'",
        "EXPORT DATABASE '{folder}/written'",
        "ATTACH '{folder}/written.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "PRAGMA threads = 1",
        "SELECT getenv('HOME')",
    ],
)
def test_a_cursor_reaches_no_files_extensions_or_settings(
    tmp_path: Path, sql: str, *, in_memory: bool
) -> None:
    (tmp_path / "secret.csv").write_text("secret\n1\n")
    store = TimestreamStore(None if in_memory else tmp_path / "store")
    before = set(tmp_path.iterdir())
    with pytest.raises(duckdb.Error), store.cursor() as cursor:
        cursor.execute(sql.format(folder=tmp_path)).fetchall()
    assert set(tmp_path.iterdir()) == before
    store.close()
