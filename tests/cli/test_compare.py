"""`fleetstream compare`: what it prints, its exit codes, and wrong use."""

import json
import re
import shutil
from pathlib import Path

import duckdb
import pytest

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from fleetstream.targets.registry import TargetOptions
from fleetstream.verify import Fault
from tests.verify.migrated import (
    DOUBLE,
    RECORDS,
    duckdb_target,
    ingest,
    to_duckdb,
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of a run in a DuckDB file beside it."""
    folder = tmp_path_factory.mktemp("source")
    return ingest(folder / "fleet.json", duckdb_target(folder / "fleet.duckdb"))


@pytest.mark.parametrize("record_model", RecordModel)
def test_the_command_prints_what_it_found(
    record_model: RecordModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fleet.duckdb"
    manifest = ingest(tmp_path / "fleet.json", duckdb_target(path), record_model=record_model)
    copy = tmp_path / "copy.duckdb"
    shutil.copy(path, copy)
    command = ["compare", str(manifest), "--to", f"duckdb:{copy}"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    count = RECORDS if record_model is RecordModel.SINGLE else 110
    assert f"Source:      DuckDB, main.telemetry in {path}: {count:,} records, 1,300" in printed
    assert printed.endswith("They match: every value is in both, and nothing else.\n")
    column = DOUBLE if record_model is RecordModel.SINGLE else "cpu_user"
    with duckdb.connect(copy) as connection:
        connection.execute(
            f'UPDATE telemetry SET "{column}" = 4711 WHERE rowid = '
            f'(SELECT min(rowid) FROM telemetry WHERE "{column}" IS NOT NULL)'
        )
        connection.execute("INSERT INTO telemetry FROM telemetry WHERE rowid = 10")
    assert main(command) == 1
    printed = capsys.readouterr().out
    assert "Different in the destination: 1, of 1 series\n" in printed
    assert "Duplicate in the destination: 1, of 1 series\n" in printed
    assert "there 2 times" in printed
    shown = "4711.0" if record_model is RecordModel.SINGLE else "cpu_user=4711.0"
    assert re.search(rf"source \S+, destination {shown}, expected \S+\n", printed)
    assert printed.endswith("They do not match: the destination differs from what was written.\n")
    assert main([*command, "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["matches"] is False
    assert document["destination"]["different"] == document["destination"]["duplicate"] == 1
    assert document["source"]["series"] == dict.fromkeys(Fault, 0)
    (example,) = [each for each in document["examples"] if each["fault"] == "different"]
    assert example["values"]["destination"] == {column: 4711.0}
    assert example["values"]["source"] == example["values"]["expected"]


def test_the_source_can_be_another_than_the_manifests(source: Path, tmp_path: Path) -> None:
    migrated = to_duckdb(source, tmp_path)
    copy = migrated.target.to
    command = ["compare", str(source), "--from", str(copy), "--from-table-name", "copied"]
    original = f"duckdb:{source.with_suffix('.duckdb')}"
    assert main([*command, "--to", original]) == 0
    migrated.execute("DELETE FROM copied WHERE rowid = 7")
    assert main([*command, "--to", original]) == 1


@pytest.mark.parametrize("record_model", RecordModel)
def test_files_of_the_other_record_model_are_named(
    record_model: RecordModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = next(each for each in RecordModel if each is not record_model)
    lake = tmp_path / "lake"
    ingest(tmp_path / "lake.json", TargetOptions(to=f"parquet:{lake}"), record_model=other)
    manifest = ingest(
        tmp_path / "fleet.json",
        duckdb_target(tmp_path / "fleet.duckdb"),
        record_model=record_model,
    )
    for command in ("compare", "verify"):
        assert main([command, str(manifest), "--to", f"parquet:{lake}"]) == 3
        printed = capsys.readouterr()
        assert f"Parquet, {lake} has no {record_model}-measure records" in printed.err
        assert not printed.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Name the destination with --to."),
        (["--to", "duckdb:{source}.duckdb"], 2, "would be compared with itself"),
        (["--to", "null:"], 2, "cannot be read back"),
        (["--to", "duckdb:nowhere.duckdb"], 3, "There is no file"),
        (["--to", "parquet:lake", "--layout", "aws"], 2, "cannot be read in the layout 'aws'"),
        (
            ["--to", "influx:http://127.0.0.1:9", "-d", "fleet", "--layout", "aws"],
            2,
            "needs --table-name",
        ),
        (["--to", "influx:http://127.0.0.1:9", "-d", "fleet", "-t", "x"], 2, "has no meaning"),
    ],
)
def test_wrong_use_is_explained(
    arguments: list[str],
    code: int,
    message: str,
    source: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [each.format(source=source.with_suffix("")) for each in arguments]
    try:
        result = main(["compare", str(source), *given])
    except SystemExit as error:
        result = int(str(error.code))
    assert result == code
    assert message in capsys.readouterr().err
