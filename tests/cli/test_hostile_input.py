"""Hostile options and answers: always a sentence or an outcome, never a traceback."""

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleetstream.cli import main
from fleetstream.targets.sink import Delivery, TargetLost, Throttled, Unavailable
from fleetstream.targets.timestream.account import Account, TimestreamTable
from fleetstream.targets.timestream.transport import Transport

OPTIONS = [
    *("--to", "-d", "-t", "-r", "-e", "-url", "--profile", "--record-model", "-s", "-c"),
    *("--include-region", "--include-ms", "--seed", "--missing-cpu", "--sin-signal-cpu"),
    *("--sin-frq-cpu", "--saw-signal-cpu", "--saw-frq-cpu", "--autostop", "--processes"),
    *("--give-up-after", "--undelivered", "--manifest", "--format"),
]
VALUES = st.text(max_size=12) | st.integers(-(10**20), 200).map(str) | st.floats().map(str)


@settings(max_examples=200, deadline=None)
@given(option=st.sampled_from(OPTIONS), value=VALUES)
@example("--seed", "18446744073709551616")
@example("-s", "999999999999")
@example("--missing-cpu", "nan")
@example("--include-region", " , ")
def test_any_option_value_gives_a_preview_or_a_sentence(option: str, value: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    fleet = ["--include-region", "eu-central-1"]
    arguments = ["ingest", *fleet, f"{option}={value}", "--dry-run"]
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    assert code in (0, 2)
    assert (code == 2) == err.getvalue().startswith("Error: ")


@pytest.fixture(scope="module")
def transport() -> Transport:
    table = TimestreamTable("db", "tb", "us-east-1", "http://127.0.0.1:9")
    return Transport(Account(table))


ANSWERS = st.binary(max_size=60) | st.builds(
    lambda kind, entries: f'{{"__type":"{kind}","RejectedRecords":{entries}}}'.encode(),
    st.sampled_from(["RejectedRecordsException", "a#RejectedRecordsException", "Ns#X", ""]),
    st.sampled_from(
        [
            *("null", "[]", "[1]", "[{}]", "{}", '"x"', '[{"RecordIndex":-1}]'),
            *('[{"RecordIndex":true}]', '[{"RecordIndex":1e9}]'),
            '[{"RecordIndex":2,"Reason":null}]',
            '[{"RecordIndex":0,"Reason":"a"},{"RecordIndex":0,"Reason":"b"}]',
        ]
    ),
)


@settings(max_examples=300)
@given(status=st.integers(100, 599), answer=ANSWERS)
def test_any_answer_is_an_outcome(transport: Transport, status: int, answer: bytes) -> None:
    try:
        delivery = transport.read(status, answer, records=3)
    except (Throttled, Unavailable, TargetLost):
        return
    assert isinstance(delivery, Delivery)
    places = [rejection.index for rejection in delivery.rejections]
    assert places == sorted(set(places))
    assert all(0 <= place < 3 for place in places)


@pytest.mark.slow
@pytest.mark.parametrize("parser", ["answers", "manifests", "models"])
def test_coverage_guided_fuzzing_finds_nothing(parser: str, tmp_path: Path) -> None:
    """A short run of the fuzzers; `python tests/fuzz/fuzz_answers.py` alone goes on for ever."""
    pytest.importorskip("atheris", reason="atheris has no build for this Python")
    script = Path(__file__).parents[1] / "fuzz" / f"fuzz_{parser}.py"
    done = subprocess.run(
        [sys.executable, str(script), "-runs=15000", "-max_total_time=4"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Done" in done.stderr
