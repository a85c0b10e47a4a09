"""Disorder in whole runs: what comes late, out of order or twice is stored and accounted for."""

import json
import signal
import time
from pathlib import Path

import pytest

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from fleetstream.generate.disorder import BUFFERED, DUPLICATE, LATE, OUT_OF_ORDER
from tests.chaos.generator import Generator
from tests.servers.emulator_process import EmulatorProcess

SMALL = ("--include-region", "eu-central-1", "--seed", "7")
STRETCH = ("--start", "2026-11-01", "--end", "2026-11-01T00:05:00Z", "--interval", "1s")
OFFLINE = """
name = "offline"
shard_level = "meter"

[[levels]]
name = "meter"
count = "40"
label = "meter-{meter.index}"
connectivity = { every = "1h", lasts = { law = "uniform", low = 600, high = 890 }, longest = "14m" }

[kinds.meter]
noun = "meters"
level = "meter"
dimensions = { meter = "{meter}" }
measures = [
    { name = "power", decimals = 1, value = { law = "normal", mean = 300, sd = 40 } },
    { name = "voltage", decimals = 1, value = { law = "normal", mean = 230, sd = 2 } },
]
"""
"""Meters of which about one in five has no connection for some minutes."""

DISORDER = ("--late", "5%:1m", "--out-of-order", "3%", "--duplicate", "2%")


@pytest.mark.parametrize("model", RecordModel)
def test_a_disordered_run_stores_all_of_it(tmp_path: Path, model: str) -> None:
    target = ("--to", f"duckdb:{tmp_path / 'fleet.duckdb'}", "--record-model", model)
    manifest, summary = tmp_path / "run.json", tmp_path / "summary.json"
    files = ("--manifest", str(manifest), "--summary", str(summary))
    assert main(["ingest", *SMALL, *STRETCH, *DISORDER, *target, *files]) == 0
    assert main(["verify", str(manifest)]) == 0
    counted = json.loads(summary.read_bytes())
    assert set(counted["disorder"]) == {LATE, OUT_OF_ORDER, DUPLICATE}
    records = 300 * (260 if model == RecordModel.SINGLE else 22)
    assert counted["stored"]["records"] == records + counted["disorder"][DUPLICATE]
    for what, share in ((LATE, 0.05), (OUT_OF_ORDER, 0.03), (DUPLICATE, 0.02 * 0.92)):
        assert counted["disorder"][what] == pytest.approx(share * records, rel=0.3)


@pytest.mark.slow
def test_processes_share_the_same_disorder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emulator: EmulatorProcess
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    counts = []
    now = time.time()
    stretch = ("--start", _iso(now - 60), "--end", _iso(now - 40), "--interval", "1s")
    database = emulator.new_database()
    for processes in ("1", "2"):
        table = f"table{processes}"
        emulator.write.create_table(DatabaseName=database, TableName=table)
        target = ("-r", "us-east-1", "-url", emulator.url, "-d", database, "-t", table)
        pace = (*stretch, "--manifest", "run.json", "--summary", "summary.json")
        run = ("--processes", processes, *DISORDER, *SMALL, "--record-model", "multi")
        assert main(["ingest", *target, *pace, *run]) == 0
        assert main(["verify", "run.json"]) == 0
        counts.append(json.loads(Path("summary.json").read_bytes())["disorder"])
    assert all(count > 0 for count in counts[1].values())
    assert counts[0] == counts[1]


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@pytest.mark.parametrize("options", [(), DISORDER, ("--always-connected",)])
def test_what_arrives_later_is_stored_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("offline.toml").write_text(OFFLINE)
    run = ("--model", "offline.toml", "--seed", "7", *STRETCH, "--to", "duckdb:fleet.duckdb")
    files = ("--manifest", "run.json", "--summary", "summary.json")
    assert main(["ingest", *run, *options, *files]) == 0
    assert main(["verify", "run.json"]) == 0
    counted = json.loads(Path("summary.json").read_bytes())
    records = 300 * 40 * 2
    assert counted["generated"]["records"] == records + counted["disorder"].get(DUPLICATE, 0)
    assert counted["disorder"].get(BUFFERED, 0) == (
        0 if options == ("--always-connected",) else pytest.approx(0.2 * records, rel=0.5)
    )


@pytest.mark.parametrize("late", [("--late", "20%:1h"), ("--model", "offline.toml")])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_is_held_back_survives_the_end_of_a_run(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    late: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a stop it was sent at last; after a kill a resumed run sends it."""
    monkeypatch.chdir(tmp_path)
    Path("offline.toml").write_text(OFFLINE)
    fleet = SMALL if late[0] == "--late" else ("--seed", "7")
    run = Generator(tmp_path, *fleet, *late, "--interval", "100ms")
    run.wait_until(10)
    run.send(number)
    code, printed = run.end()
    assert code == (0 if number == signal.SIGINT else -number), printed
    manifest, target = run.manifest, f"duckdb:{tmp_path / 'fleetstream.duckdb'}"
    if number == signal.SIGKILL:
        assert main(["verify", str(manifest), "--to", target]) == 0
        assert " of interrupted sweeps, " in capsys.readouterr().out
        resumed = Generator(tmp_path, "--resume", "run.json")
        resumed.wait_until(20)
        resumed.send(signal.SIGINT)
        code, printed = resumed.end()
        assert code == 0, printed
    facts = json.loads(manifest.read_bytes())
    assert len(facts["unsettled"]) <= 1
    assert main(["verify", str(manifest), "--to", target]) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--late", "1%"), "does not say how late"),
        (("--late", "1%:soon"), "'soon' is not a duration"),
        (("--late", "1%:0"), "0 is not late"),
        (("--late", "101%:5m"), "101% is out of range"),
        (("--late", "-1%:5m"), "out of range"),
        (("--out-of-order", "many"), "'many' is not a percentage"),
        (("--duplicate", "100.1%"), "out of range"),
        (("--duplicate", "nan"), "out of range"),
        (("--late", "60%:5m", "--out-of-order", "60%"), "more than 100% together"),
    ],
)
def test_what_is_no_disorder_gets_a_sentence(
    arguments: tuple[str, ...],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["ingest", "--autostop", "1", *arguments])
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
