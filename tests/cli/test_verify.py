"""`fleetstream verify`: a table that matches, and each way in which one may not."""

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import duckdb
import pytest

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from tests.servers.emulator_process import EmulatorProcess
from tests.terminal import FLEETSTREAM, Terminal

SMALL = ("--include-region", "eu-central-1")
STRETCH = ("--start", "2026-11-01", "--interval", "60s")
FAULTS = ("Missing", "Extra", "Different", "Duplicate")
DOUBLE = "measure_value::double"
ROW = "rowid = (SELECT max(rowid) FROM telemetry WHERE measure_name = 'cpu_user')"

TIMESTREAM_TAMPERINGS = (
    "DELETE FROM data.points_1 WHERE rowid = 1000",
    "UPDATE data.points_1 SET c0 = coalesce(c0, 0) + 0.01 WHERE rowid = 20000",
    "INSERT INTO data.points_1 FROM data.points_1 WHERE rowid = 30000",
    "UPDATE data.points_1 SET time = time + INTERVAL 1 MICROSECOND WHERE rowid = 40000",
    (
        "INSERT INTO data.points_1 "
        "SELECT * REPLACE (TIMESTAMP '1999-12-31' AS time) FROM data.points_1 WHERE rowid = 50000"
    ),
)


def found(printed: str) -> dict[str, int]:
    """The counts that were printed, by the name of the fault."""
    pairs = (line.partition(": ") for line in printed.splitlines())
    return {name: int(count.replace(",", "")) for name, _, count in pairs if name in FAULTS}


def ingest(folder: Path, name: str, *arguments: str) -> list[str]:
    """Write a table; gives what verifies it."""
    manifest = folder / f"{name}.json"
    target = ("--to", f"duckdb:{folder / name}.duckdb", "--manifest", str(manifest))
    assert main(["ingest", "--seed", "7", *target, *arguments]) == 0
    return ["verify", str(manifest)]


def change(database: Path, statement: str) -> None:
    with duckdb.connect(database) as connection:
        connection.execute(statement)


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of a million rows, and the manifest that names them."""
    folder = tmp_path_factory.mktemp("million")
    ingest(folder, "fleet", *STRETCH, "--end", "2026-11-01T00:40:00Z")
    return folder


@pytest.mark.slow
def test_a_fault_among_a_million_rows_is_found(
    million: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.duckdb"
    shutil.copy(million / "fleet.duckdb", copy)
    verify = ["verify", str(million / "fleet.json"), "--to", f"duckdb:{copy}"]
    assert main(verify) == 0
    printed = capsys.readouterr().out
    assert printed.endswith("It matches.\n")
    assert "1,050,400 records" in printed
    change(copy, f"UPDATE telemetry SET time = time + INTERVAL 1 MICROSECOND WHERE {ROW}")
    assert main(verify) == 1
    printed = capsys.readouterr().out
    assert found(printed) == {"Missing": 1, "Extra": 1}
    assert printed.endswith("It does not match.\n")


def test_examples_name_time_series_and_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify = ingest(tmp_path, "fleet", *SMALL, *STRETCH, "--end", "2026-11-01T00:02:00Z")
    change(
        tmp_path / "fleet.duckdb",
        "UPDATE telemetry SET \"measure_value::double\" = 4711 WHERE measure_name = 'cpu_user' AND "
        "instance_name = 'i-AUa00Zt2-zeus-0001.amazonaws.com' AND time = '2026-11-01 00:01:00'",
    )
    assert main(verify) == 1
    printed = capsys.readouterr().out
    assert found(printed) == {"Different": 1}
    assert "2026-11-01 00:01:00 cpu_user is 4711.0, must be " in printed
    assert "eu-central-1-cell-1-silo-1" in printed
    assert "zeus/i-AUa00Zt2-zeus-0001.amazonaws.com" in printed


def test_only_the_first_few_examples_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify = ingest(tmp_path, "fleet", *SMALL, *STRETCH, "--end", "2026-11-01T00:02:00Z")
    change(tmp_path / "fleet.duckdb", "DELETE FROM telemetry WHERE time > '2026-11-01'")
    assert main(verify) == 1
    printed = capsys.readouterr().out
    assert found(printed) == {"Missing": 260}
    assert len(re.findall(r"^  2026.* must be ", printed, re.MULTILINE)) == 5
    assert "and 255 more" in printed


@pytest.mark.parametrize("model", RecordModel)
def test_signals_missing_values_and_filters_are_expected(tmp_path: Path, model: str) -> None:
    values = ("--missing-cpu", "30", "--saw-signal-cpu", "20", "--include-ms", "zeus,athena")
    stretch = (*STRETCH, "--end", "2026-11-01T00:05:00Z")
    verify = ingest(tmp_path, "fleet", *SMALL, *values, *stretch, "--record-model", model)
    assert main(verify) == 0
    with duckdb.connect(tmp_path / "fleet.duckdb") as connection:
        connection.execute("DELETE FROM telemetry WHERE rowid = 40")
    assert main(verify) == 1


def test_a_digit_of_a_multi_measure_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stretch = (*STRETCH, "--end", "2026-11-01T00:05:00Z", "--record-model", "multi")
    verify = ingest(tmp_path, "fleet", *SMALL, *stretch)
    change(
        tmp_path / "fleet.duckdb",
        "UPDATE telemetry SET task_completed = task_completed + 1 WHERE rowid = "
        "(SELECT min(rowid) FROM telemetry WHERE measure_name = 'events')",
    )
    assert main(verify) == 1
    printed = capsys.readouterr().out
    assert found(printed) == {"Different": 1}
    assert "task_completed is " in printed


def test_the_options_of_a_run_do_as_well_as_its_manifest(tmp_path: Path) -> None:
    stretch = (*STRETCH, "--end", "2026-11-01T00:05:00Z")
    ingest(tmp_path, "fleet", *SMALL, *stretch)
    verify = ["verify", "--to", f"duckdb:{tmp_path / 'fleet.duckdb'}", *SMALL, *stretch]
    assert main([*verify, "--seed", "7"]) == 0
    assert main([*verify, "--seed", "8"]) == 1


def test_a_manifest_that_is_named_twice_counts_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify = ingest(tmp_path, "fleet", *SMALL, *STRETCH, "--end", "2026-11-01T00:05:00Z")
    assert main([*verify, verify[1]]) == 0
    assert "with 1,300 expected from 5 sweeps" in capsys.readouterr().out


def test_a_table_of_several_runs_needs_all_their_manifests(tmp_path: Path) -> None:
    target = ("--to", f"duckdb:{tmp_path / 'fleet.duckdb'}")
    for name, region in (("east", "us-east-2"), ("west", "us-west-2")):
        fleet = ("--include-region", region, "--manifest", str(tmp_path / f"{name}.json"))
        stretch = (*STRETCH, "--end", "2026-11-01T00:05:00Z")
        assert main(["ingest", "--seed", "7", *target, *fleet, *stretch]) == 0
    east, west = (str(tmp_path / f"{name}.json") for name in ("east", "west"))
    assert main(["verify", east, west]) == 0
    assert main(["verify", east]) == 1


def test_shards_that_write_to_one_table_make_the_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stretch = ("--seed", "7", *STRETCH, "--end", "2026-11-01T00:05:00Z")
    for number in (1, 2, 3):
        assert main(["ingest", *stretch, "--shard", f"{number}/3"]) == 0
    printed = capsys.readouterr().out
    assert "Fleet          336 hosts" in printed
    manifests = [f"fleetstream-7-{number}of3.json" for number in (1, 2, 3)]
    assert main(["verify", *manifests]) == 0
    assert main(["verify", *manifests, manifests[1]]) == 0
    assert main(["verify", *stretch]) == 0
    assert main(["verify", *manifests[:2]]) == 1
    assert found(capsys.readouterr().out)["Extra"] > 40_000


@pytest.mark.slow
def test_a_run_that_was_cut_may_lack_part_of_its_last_sweep_until_it_is_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "fleet.json"
    command = [FLEETSTREAM, "ingest", "--seed", "7", "--interval", "1s", "--start", "2m"]
    process = subprocess.Popen(
        [*command, "--manifest", str(manifest)], cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    while not manifest.exists():
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    target = ["--to", f"duckdb:{tmp_path / 'fleetstream.duckdb'}"]
    assert main(["verify", str(manifest), *target]) == 0
    assert " are there; " in capsys.readouterr().out
    resumed = subprocess.run(
        [FLEETSTREAM, "ingest", "--resume", manifest], cwd=tmp_path, capture_output=True
    )
    assert resumed.returncode == 0, resumed
    assert main(["verify", str(manifest), *target]) == 0
    printed = capsys.readouterr().out
    assert " are there; " not in printed
    assert printed.endswith("It matches.\n")


def test_a_terminal_shows_how_far_it_is(million: Path) -> None:
    terminal = Terminal(million, "verify", "fleet.json")
    terminal.wait_for(lambda text: "values, left:" in text)
    assert terminal.finish() == 0
    assert "It matches." in terminal.text
    assert "Verifying" not in terminal.text


def test_a_stopped_verification_is_no_proof(million: Path) -> None:
    process = subprocess.Popen(
        [FLEETSTREAM, "verify", million / "fleet.json"], stdout=subprocess.PIPE, text=True
    )
    _wait_for_handler(process.pid)
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert printed.endswith("Stopped before everything was compared.\n")


def _wait_for_handler(process: int) -> None:
    """Wait until a process handles SIGTERM."""
    deadline = time.monotonic() + 30
    caught = 0
    while not caught & 1 << (signal.SIGTERM - 1):
        assert time.monotonic() < deadline
        time.sleep(0.01)
        status = Path(f"/proc/{process}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((), 2, "Name the manifest of a run"),
        (("--seed", "7", "--interval", "60s"), 2, "Name the manifest of a run"),
        (("gone.json",), 2, "gone.json cannot be read"),
        (("{manifest}", "--seed", "8"), 2, "--seed cannot be given with a manifest"),
        (("{manifest}", "--record-model", "multi"), 2, "leave out --record-model"),
        (("{manifest}", "{multi}"), 2, "different record models"),
        (("{manifest}", "{other}"), 2, "have written to different targets"),
        (("{manifest}", "--to", "null:"), 2, "cannot be read back"),
        (("{manifest}", "--to", "duckdb:none.duckdb"), 3, "There is no file 'none.duckdb'"),
        (("{manifest}", "--table-name", "none"), 3, "main.none in {single} cannot be read"),
        (("{multi}", "--to", "duckdb:{single}"), 3, "has no column"),
    ],
)
def test_what_cannot_be_verified_gets_a_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    stretch = (*SMALL, *STRETCH, "--end", "2026-11-01T00:01:00Z")
    ingest(tmp_path, "fleet", *stretch)
    ingest(tmp_path, "other", *stretch)
    ingest(tmp_path, "multi", *stretch, "--record-model", "multi")
    names = {
        "manifest": tmp_path / "fleet.json",
        "multi": tmp_path / "multi.json",
        "other": tmp_path / "other.json",
        "single": tmp_path / "fleet.duckdb",
    }
    capsys.readouterr()
    given = [argument.format(**names) for argument in arguments]
    try:
        ended = main(["verify", *given])
    except SystemExit as leaving:
        ended = int(leaving.code or 0)
    printed = capsys.readouterr()
    assert ended == code
    assert sentence.format(**names) in printed.err
    assert "Traceback" not in printed.err
    assert not printed.out


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    "start",
    [
        pytest.param("-4m", marks=pytest.mark.slow),
        pytest.param("-40m", marks=pytest.mark.soak),
    ],
)
def test_every_fault_among_many_rows_of_timestream_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], start: str
) -> None:
    """Written and read through the service's API; tampered with behind its back.

    There are 105,040 rows, or ten times as many.
    """
    store, manifest = tmp_path / "store.duckdb", tmp_path / "fleet.json"
    with EmulatorProcess(store) as server:
        server.write.create_database(DatabaseName="fleet")
        server.write.create_table(DatabaseName="fleet", TableName="telemetry")
        target = ("-r", "us-east-1", "-url", server.url, "-d", "fleet", "-t", "telemetry")
        stretch = ("--start", start, "--interval", "60s", "--manifest", str(manifest))
        assert main(["ingest", "--seed", "7", *target, *stretch]) == 0
        assert server.stop() == 0
        with duckdb.connect(store) as connection:
            for statement in TIMESTREAM_TAMPERINGS:
                assert connection.execute(statement).fetchone() == (1,)
        server.restart()
        assert main(["verify", str(manifest)]) == 1
    printed = capsys.readouterr().out
    assert found(printed) == {"Missing": 2, "Extra": 2, "Different": 1, "Duplicate": 1}


@pytest.mark.usefixtures("credentials")
def test_multi_measure_records_of_timestream(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "fleet.json"
    with EmulatorProcess() as server:
        server.write.create_database(DatabaseName="fleet")
        server.write.create_table(DatabaseName="fleet", TableName="telemetry")
        target = ("-r", "us-east-1", "-url", server.url, "-d", "fleet", "-t", "telemetry")
        run = ("--start", "-5m", "--interval", "60s", "--manifest", str(manifest))
        model = ("--record-model", "multi", "--missing-cpu", "20")
        assert main(["ingest", "--seed", "7", *SMALL, *target, *run, *model]) == 0
        assert main(["verify", str(manifest)]) == 0
        server.write.write_records(
            DatabaseName="fleet",
            TableName="telemetry",
            Records=[
                {
                    "Dimensions": [{"Name": "region", "Value": "nowhere"}],
                    "MeasureName": "metrics",
                    "MeasureValueType": "MULTI",
                    "MeasureValues": [{"Name": "cpu_user", "Value": "1.5", "Type": "DOUBLE"}],
                    "Time": str(time.time_ns() // 1_000_000),
                }
            ],
        )
        capsys.readouterr()
        assert main(["verify", str(manifest)]) == 1
        printed = capsys.readouterr().out
        assert found(printed) == {"Extra": 1}
        assert "of nowhere" in printed
        server.kill()
        assert main(["verify", str(manifest)]) == 3
    assert "does not answer" in capsys.readouterr().err
