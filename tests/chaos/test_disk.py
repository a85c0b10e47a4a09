"""Full disks: a clear error, accounts that add up, and a database that opens afterwards."""

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from fleetstream.cli import main
from tests.chaos.conftest import Scene
from tests.chaos.generator import Generator

MakeScene = Callable[..., Scene]


def test_a_full_disk_for_undelivered_records(
    scene: MakeScene, small_disk: Callable[[str], Path]
) -> None:
    act = scene()
    disk = small_disk("64k")
    (disk / "ballast").write_bytes(bytes(60_000))
    run = act.generate("--give-up-after", "1s", "--undelivered", str(disk / "undelivered"))
    run.wait_until(2)
    act.server.kill()
    code, printed = run.end()
    assert code == 1
    assert "Lost:" in printed
    assert "seed 11" in printed
    assert "No space left on device" in printed
    assert run.ledger["adds_up"]


def test_a_full_disk_for_duckdb(tmp_path: Path, small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("12m")
    database = disk / "fleet.duckdb"
    run = Generator(tmp_path, "--to", f"duckdb:{database}", "--seed", "3", "--host-scale", "10")
    code, printed = run.end()
    assert code == 1, printed
    assert re.search("takes no more rows: .*No space left on device", printed), printed
    ledger = run.ledger
    assert ledger["adds_up"]
    assert ledger["undelivered"]["records"] > 0
    with duckdb.connect(database) as connection:
        (count,) = connection.execute("SELECT count(*) FROM telemetry").fetchone() or (0,)
    assert count == ledger["stored"]["records"]


def test_a_disk_that_is_full_before(
    small_disk: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    disk = small_disk("64k")
    (disk / "ballast").write_bytes(bytes(2**16))
    assert main(["ingest", "--to", f"duckdb:{disk / 'fleet.duckdb'}", "--autostop", "1"]) == 3
    assert "fleet.duckdb' cannot be written: " in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_full_disk_for_files(
    tmp_path: Path,
    small_disk: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
    form: str,
) -> None:
    """What is there is whole, and the rest is kept elsewhere and can be replayed."""
    disk = small_disk("12m")
    place = f"{form}:{disk / 'files'}"
    stretch = ("--start", "2026-11-01", "--end", "2026-11-02", "--interval", "20s")
    run = Generator(tmp_path, "--to", place, "--seed", "3", *stretch)
    code, printed = run.end()
    assert code == 1, printed
    assert "takes no more files: No space left on device" in printed
    ledger = run.ledger
    assert ledger["adds_up"]
    assert ledger["undelivered"]["records"] > 0
    assert not list((disk / "files").rglob("*.unfinished"))
    if form == "parquet":
        with duckdb.connect() as connection:
            files = f"{disk}/files/*/*/*.parquet"
            query = f"SELECT count(*) FROM read_parquet('{files}')"
            (count,) = connection.execute(query).fetchone() or (0,)
        # Of the request that failed, files may be there; they are not written again.
        assert ledger["stored"]["records"] <= count <= ledger["generated"]["records"]
    kept = tmp_path / "fleetstream-undelivered"
    assert main(["replay", str(kept), "--to", f"{form}:{tmp_path / 'elsewhere'}"]) == 0
    assert not kept.exists()
    assert f"Delivered: {ledger['undelivered']['records']:,} records" in capsys.readouterr().out
