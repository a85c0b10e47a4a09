"""Disorder: what comes late, out of order or twice is all there in the end, and repeatable."""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from fleetstream.fleet import Fleet
from fleetstream.run.outstanding import Outstanding
from fleetstream.workload import Workload
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.cli import main
from fleetstream.generate.choices import Disorder, RecordModel
from fleetstream.generate.disorder import DUPLICATE, LATE, OUT_OF_ORDER, Disordered
from fleetstream.generate.records import timestamp_of
from fleetstream.run.ledger import Ledger
from fleetstream.run.pipeline import Sweeps
from tests.emulator_process import EmulatorProcess
from tests.terminal import FLEETSTREAM

SECOND = 1_000_000
START = 1_793_491_200 * SECOND
SMALL = ("--include-region", "eu-central-1", "--seed", "7")
STRETCH = ("--start", "2026-11-01", "--end", "2026-11-01T00:05:00Z", "--interval", "1s")
DISORDER = ("--late", "5%:1m", "--out-of-order", "3%", "--duplicate", "2%")


class Times:
    """A clock that gives these timestamps."""

    due = True

    def __init__(self, *times: int) -> None:
        self._times = times

    def __iter__(self):
        return iter(self._times)


def rows(batch: pa.RecordBatch) -> list[tuple[object, ...]]:
    columns = (column.to_pylist() for column in batch.columns)
    kind = (batch.schema.metadata or {})[b"kind"]
    return [(kind, *row) for row in zip(*columns, strict=True)]


def given_out(
    disorder: Disorder, sweeps: int, seed: int = 7, **fleet: list[str]
) -> tuple[list[tuple[int, pa.RecordBatch]], Ledger, Outstanding]:
    """Each batch with the timestamp of the sweep in which it came; the last ones after all."""
    workload, ledger, watcher = Workload(Fleet(1, **fleet), seed), Ledger(), Outstanding()
    disordered = Disordered(workload, disorder, RecordModel.MULTI, ledger, watcher)
    times = [START + sweep * SECOND for sweep in range(sweeps)]
    begun: list[int] = []
    source = Sweeps(
        workload, Times(*times), disordered=disordered, begin=begun.append, end=watcher.swept
    )
    came = []
    for batch in source:
        assert batch is not None
        over = len(begun) == sweeps and watcher.standing().swept == times[-1]
        came.append((times[-1] + SECOND if over else begun[-1], batch))
    return came, ledger, watcher


shares = st.sampled_from([0.0, 0.1, 5.0, 50.0, 100.0])


@settings(max_examples=40)
@given(st.data())
def test_everything_comes_once_but_for_what_is_to_come_twice(data: st.DataObject) -> None:
    late = data.draw(shares)
    disorder = Disorder(
        late,
        data.draw(st.integers(0, 10 * SECOND)),
        data.draw(shares.filter(lambda share: share + late <= 100)),
        data.draw(shares),
    )
    sweeps = data.draw(st.integers(1, 6))
    fleet = {"regions": ["eu-central-1"]}
    came, ledger, watcher = given_out(disorder, sweeps, **fleet)
    counts = Counter(row for _, batch in came for row in rows(batch))
    workload = Workload(Fleet(1, **fleet), 7)
    whole = {
        row
        for sweep in range(sweeps)
        for batch in workload.sweep(START + sweep * SECOND)
        for row in rows(batch)
    }
    assert counts.keys() == whole
    twice = sum(count - 1 for count in counts.values())
    assert max(counts.values()) <= 2
    totals = ledger.totals().disorder
    assert totals[DUPLICATE] == twice
    after = sum(batch.num_rows for sweep, batch in came if timestamp_of(batch) < sweep)
    assert totals[LATE] + totals[OUT_OF_ORDER] == after
    # Nobody settles anything here, so what was released stays, and nothing else.
    assert not watcher.standing().open


def test_shares_and_delays_are_as_asked_for() -> None:
    came, ledger, _ = given_out(Disorder(late=2, delay=20 * SECOND, duplicate=0.5), 60)
    measurements = 60 * 2_222
    totals = ledger.totals().disorder
    assert abs(totals[LATE] / measurements - 0.02) < 0.003
    assert abs(totals[DUPLICATE] / measurements - 0.005) < 0.001
    delays = {sweep - timestamp_of(batch) for sweep, batch in came if sweep > timestamp_of(batch)}
    assert min(delays) == SECOND
    assert 15 * SECOND < max(delays) <= 20 * SECOND


def test_what_is_out_of_order_comes_after_the_next_sweep() -> None:
    came, _, _ = given_out(Disorder(out_of_order=10), 5)
    for place, (sweep, batch) in enumerate(came):
        timestamp = timestamp_of(batch)
        if sweep > timestamp:
            assert sweep == timestamp + SECOND
            newer = [other for other, _ in came[:place] if other == sweep]
            assert newer or sweep == START + 5 * SECOND


def test_disorder_is_repeatable_and_knows_no_filters() -> None:
    disorder = Disorder(late=10, delay=3 * SECOND, out_of_order=5, duplicate=5)

    def affected(seed: int, **fleet: list[str]) -> Counter[object]:
        came, _, _ = given_out(disorder, 4, seed, **fleet)
        return Counter(
            (sweep, row)
            for sweep, batch in came
            for row in rows(batch)
            if sweep > timestamp_of(batch) and "us-west-2" in row
        )

    whole = affected(7)
    assert whole
    assert whole == affected(7)
    assert whole == affected(7, regions=["us-west-2"])
    assert whole != affected(8)


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


def test_processes_share_the_same_disorder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    counts = []
    now = time.time()
    stretch = ("--start", _iso(now - 60), "--end", _iso(now - 40), "--interval", "1s")
    with EmulatorProcess() as server:
        server.write.create_database(DatabaseName="fleet")
        for processes in ("1", "2"):
            table = f"table{processes}"
            server.write.create_table(DatabaseName="fleet", TableName=table)
            target = ("-r", "us-east-1", "-url", server.url, "-d", "fleet", "-t", table)
            pace = (*stretch, "--manifest", "run.json", "--summary", "summary.json")
            run = ("--processes", processes, *DISORDER, *SMALL, "--record-model", "multi")
            assert main(["ingest", *target, *pace, *run]) == 0
            assert main(["verify", "run.json"]) == 0
            counts.append(json.loads(Path("summary.json").read_bytes())["disorder"])
    assert all(count > 0 for count in counts[1].values())
    assert counts[0] == counts[1]


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_is_held_back_survives_the_end_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    """After a stop it was sent at last; after a kill a resumed run sends it."""
    run = ("--late", "20%:1h", "--interval", "250ms")
    process = subprocess.Popen(
        [FLEETSTREAM, "ingest", *SMALL, *run, "--manifest", "run.json"],
        cwd=tmp_path,
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(5)
    process.send_signal(number)
    assert process.wait(60) == (0 if number == signal.SIGINT else -number)
    manifest, target = tmp_path / "run.json", f"duckdb:{tmp_path / 'fleetstream.duckdb'}"
    if number == signal.SIGKILL:
        assert main(["verify", str(manifest), "--to", target]) == 0
        assert " of sweeps that were cut, " in capsys.readouterr().out
        resumed = subprocess.Popen(
            [FLEETSTREAM, "ingest", "--resume", "run.json"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(5)
        resumed.send_signal(signal.SIGINT)
        assert resumed.wait(60) == 0
    facts = json.loads(manifest.read_bytes())
    assert len(facts["unsettled"]) <= 1
    assert main(["verify", str(manifest), "--to", target]) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--late", "1%"), "does not say how late"),
        (("--late", "1%:soon"), "'soon' is not a time"),
        (("--late", "1%:0"), "0 is not late"),
        (("--late", "101%:5m"), "101 is out of range"),
        (("--late", "-1%:5m"), "out of range"),
        (("--out-of-order", "many"), "'many' is not a number"),
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
