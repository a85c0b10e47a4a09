"""Backfills, live grids and rates, as runs of the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from fleetstream.cli import main
from fleetstream.run.control import Control
from fleetstream.run.sweeps import paced
from tests.servers.emulator_process import EmulatorProcess
from tests.telemetry import generator

FLEET = ("--include-region", "eu-central-1", "--seed", "7")
ROWS = 260
"""Values a sweep of that region."""


def ingest(folder: Path, name: str, *arguments: str) -> int:
    target = ("--to", f"duckdb:{folder / name}.duckdb", "--manifest", str(folder / f"{name}.json"))
    return main(["ingest", *target, *FLEET, *arguments])


def content(path: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute("FROM telemetry ORDER BY ALL").fetchall()


def times(path: Path) -> list[tuple[int, int]]:
    """Each timestamp in the table, in milliseconds, and how many rows it has."""
    with duckdb.connect(path, read_only=True) as connection:
        query = "SELECT epoch_ms(time), count(*) FROM telemetry GROUP BY 1 ORDER BY 1"
        return connection.execute(query).fetchall()


def test_history_is_swept_at_the_multiples_of_the_interval(tmp_path: Path) -> None:
    stretch = ("--start", "2026-11-01T00:00:01Z", "--end", "2026-11-01T02:01:00+02:00")
    assert ingest(tmp_path, "past", *stretch, "--interval", "7s") == 0
    first, end = 1_793_491_201_000, 1_793_491_260_000
    expected = [(stamp, ROWS) for stamp in range(first, end) if stamp % 7_000 == 0]
    assert times(tmp_path / "past.duckdb") == expected


def test_a_live_run_after_a_backfill_agrees_with_a_backfill_of_that_stretch(
    tmp_path: Path,
) -> None:
    """--follow goes on without gap or overlap, and live values are those of history."""
    begun = int(time.time())
    pace = ("--interval", "500ms")
    assert ingest(tmp_path, "live", "--start", f"{_iso(begun - 5)}", *pace, "--follow",
                  "--autostop", "14") == 0  # fmt: skip
    stretch = ("--start", _iso(begun - 5), "--end", _iso(begun + 2))
    assert ingest(tmp_path, "past", *stretch, *pace) == 0
    live = content(tmp_path / "live.duckdb")
    assert len(live) == 14 * ROWS
    assert live == content(tmp_path / "past.duckdb")


def _iso(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_backfill_that_was_cut_is_resumed_where_it_was_cut(
    tmp_path: Path, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    stretch = ("--start", "2026-11-01T00:00:00Z", "--end", "2026-11-01T00:05:00Z")
    pace = ("--interval", "1s", "--rate", "20000")
    target = ("--to", f"duckdb:{tmp_path / 'cut.duckdb'}", "--manifest", str(tmp_path / "cut.json"))
    run = subprocess.Popen(
        [sys.executable, "-m", "fleetstream", "ingest", *target, *FLEET, *stretch, *pace],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ,
    )
    while not (tmp_path / "cut.json").exists() or not _named(tmp_path / "cut.json"):
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(number)
    run.wait(60)
    assert not json.loads((tmp_path / "cut.json").read_bytes())["finished"]
    resume = ["ingest", "--resume", str(tmp_path / "cut.json")]
    assert main(resume) == 0
    assert "had finished" not in capsys.readouterr().err
    assert main(resume) == 0
    finished = f"The run of {tmp_path / 'cut.json'} had finished; nothing is left to do.\n"
    assert capsys.readouterr().err.startswith(finished)
    first = 1_793_491_200_000
    expected = [(stamp, ROWS) for stamp in range(first, first + 300_000, 1_000)]
    assert times(tmp_path / "cut.duckdb") == expected


def _named(manifest: Path) -> bool:
    """Whether a manifest names more than the first sweep."""
    return len(json.loads(manifest.read_bytes())["unsettled"]) > 1


def test_a_live_grid_is_equidistant(tmp_path: Path) -> None:
    assert ingest(tmp_path, "grid", "--interval", "200ms", "--autostop", "6") == 0
    stamps = [stamp for stamp, _ in times(tmp_path / "grid.duckdb")]
    assert [late - early for late, early in zip(stamps[1:], stamps, strict=False)] == [200] * 5
    assert stamps[0] % 200 == 0


@pytest.mark.parametrize("rate", [500, 5_000])
def test_a_rate_caps_values_a_second(rate: int) -> None:
    sweep = list(generator(1, 1, ["us-east-2"]).batches([0]))
    began, values = time.monotonic(), 0
    for piece in paced(sweep * 10, rate, Control()):
        assert piece is not None
        values += piece.num_rows * (piece.num_columns - 9)
        spent = time.monotonic() - began
        assert values <= rate * (spent + 1.01)
        if spent > 1.5:
            break
    assert values >= rate


def test_a_rate_changes_no_value(tmp_path: Path) -> None:
    pace = ("--start", "2026-11-01T00:00:00Z", "--end", "2026-11-01T00:00:09Z", "--interval", "1s")
    assert ingest(tmp_path, "slow", *pace, "--rate", "3000") == 0
    assert ingest(tmp_path, "fast", *pace) == 0
    assert content(tmp_path / "slow.duckdb") == content(tmp_path / "fast.duckdb")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--end -1h", "--end needs --start"),
        ("--follow --interval 1s", "--follow needs --start"),
        ("--max-lag 3s", "--max-lag needs --interval"),
        ("--start -1h --interval 1s --max-lag 3s", "add --follow"),
        ("--start -2h --end -1h --interval 1s --follow", "leave out --end or --follow"),
        ("--start -1h --end -2h --interval 1s", "--end must be later than --start"),
        ("--start +1h --interval 1s", "--start is in the future"),
        ("--start +1h --interval 1s --follow", "--start is in the future"),
        ("--interval 0", "is not an interval"),
        ("--interval 0.5ms", "is not an interval"),
        ("--interval 400d", "is not an interval"),
        ("--interval soon", "is not a duration"),
        ("--start yesterday --interval 1s", "is not a time"),
        ("--start -1x --interval 1s", "is not a time"),
        ("--start 1950-01-01 --interval 1s", "from 1970 to 9999"),
        ("--start -99999d --interval 1s", "from 1970 to 9999"),
        ("--start +9999999999d --interval 1s", "is too long"),
        ("--rate 0", "the least is 1"),
        (
            "--start 2026-01-01T00:00:01Z --end 2026-01-01T00:00:02Z --interval 1h",
            "No multiple of --interval",
        ),
        ("--resume run.json --interval 1s", "--to cannot be given with --resume"),
    ],
)
def test_bad_combinations_get_one_sentence(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["ingest", "--to", "null:", *arguments.split()])
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 2


def test_history_without_an_interval_has_the_documented_one(tmp_path: Path) -> None:
    stretch = ("--start", "2026-11-01T00:00:03Z", "--end", "2026-11-01T00:01:00Z")
    assert ingest(tmp_path, "past", *stretch) == 0
    first = 1_793_491_200_000
    expected = [(first + second * 1_000, ROWS) for second in (10, 20, 30, 40, 50)]
    assert times(tmp_path / "past.duckdb") == expected


@pytest.mark.parametrize("age", ["2m", "-2m"])
def test_an_age_needs_no_sign(age: str, tmp_path: Path) -> None:
    assert ingest(tmp_path, "past", "--start", age, "--interval", "10s") == 0
    assert len(times(tmp_path / "past.duckdb")) == 12


HOUR = 3_600


@pytest.fixture
def timestream(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, emulator: EmulatorProcess
) -> tuple[str, ...]:
    """Options of a database with tables that keep 6 hours in their memory store.

    The table `past` takes older records too, `now` does not.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    database = emulator.new_database()
    emulator.write.create_table(DatabaseName=database, TableName="now")
    emulator.write.create_table(
        DatabaseName=database,
        TableName="past",
        RetentionProperties={
            "MemoryStoreRetentionPeriodInHours": 6,
            "MagneticStoreRetentionPeriodInDays": 30,
        },
        MagneticStoreWriteProperties={"EnableMagneticStoreWrites": True},
    )
    return ("-r", "us-east-1", "-url", emulator.url, "-d", database)


@pytest.mark.parametrize(
    ("table", "stretch", "refusal"),
    [
        ("now", (-5.5 * HOUR, -5.4 * HOUR), None),
        ("now", (-7 * HOUR, -6.9 * HOUR), "6 h in its memory store"),
        ("now", (-0.2 * HOUR, 0.2 * HOUR), None),
        ("now", (-0.2 * HOUR, 0.4 * HOUR), "15 minutes ahead. Change --end"),
        ("past", (-29 * 24 * HOUR, -29 * 24 * HOUR + 600), None),
        ("past", (-31 * 24 * HOUR, -30.9 * 24 * HOUR), "30 d in its magnetic store"),
    ],
)
def test_history_that_the_table_does_not_take_is_refused_beforehand(
    timestream: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    table: str,
    stretch: tuple[float, float],
    refusal: str | None,
) -> None:
    start, end = (_iso(int(time.time() + seconds)) for seconds in stretch)
    target = (*timestream, "-t", table)
    run = ("--start", start, "--end", end, "--interval", "5m", "--summary", "summary.json")
    code = main(["ingest", *target, *FLEET, *run])
    if refusal is None:
        assert code == 0
        summary = json.loads(Path("summary.json").read_bytes())
        assert summary["stored"]["records"] == summary["generated"]["records"] > 0
    else:
        assert code == 3
        assert refusal in capsys.readouterr().err
        assert not list(Path().iterdir())
