"""Sudden ends: of the server, and of the generator."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from fleetstream.generate.choices import RecordModel
from tests.chaos.conftest import Scene
from tests.chaos.generator import CREDENTIALS, expected, stored, undelivered

MakeScene = Callable[..., Scene]


@pytest.mark.slow
def test_a_server_killed_and_restarted_three_times(scene: MakeScene) -> None:
    act = scene(store=True)
    run = act.generate("--autostop", "7")
    for killed in range(3):
        run.wait_until(2 * killed + 1)
        act.server.kill()
        time.sleep(0.3)
        act.server.restart()
    code, printed = run.end()
    assert code == 0, printed
    assert stored(act.server.url) == expected(run.manifest)
    assert run.ledger["adds_up"]


def test_a_server_gone_for_good_then_replay(scene: MakeScene) -> None:
    """All generated = stored + undelivered; a replay brings the rest, and again nothing twice."""
    act = scene(store=True)
    run = act.generate("--give-up-after", "2s")
    run.wait_until(2)
    act.server.kill()
    code, printed = run.end()
    assert code == 1, printed
    ledger = run.ledger
    assert ledger["adds_up"]
    assert ledger["undelivered"]["records"] > 0
    act.server.restart()
    folder = act.folder / "fleetstream-undelivered"
    kept = undelivered(folder, RecordModel.SINGLE)
    assert len(kept) == ledger["undelivered"]["records"]
    for _ in range(2):
        copies = {path: path.read_bytes() for path in folder.iterdir()}
        replay = subprocess.run(
            [sys.executable, "-m", "fleetstream", "replay", str(folder), *act.target()],
            env={**os.environ, **CREDENTIALS},
            capture_output=True,
            text=True,
            check=False,
        )
        assert replay.returncode == 0, replay.stdout + replay.stderr
        assert not folder.exists()
        folder.mkdir()
        for path, content in copies.items():
            path.write_bytes(content)
    present = stored(act.server.url)
    # The sweep that was cut is there in part.
    truth = expected(run.manifest)
    assert len(present) == ledger["generated"]["records"]
    assert present.items() <= truth.items()


@pytest.mark.parametrize(
    ("number", "processes"),
    [
        pytest.param(signal.SIGINT, "1", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "2", marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, "1", marks=pytest.mark.slow),
        (signal.SIGKILL, "2"),
    ],
)
def test_a_generator_ended_then_resumed(
    scene: MakeScene, number: signal.Signals, processes: str
) -> None:
    """However it ends, resuming finishes the sweep that was cut: everything is there, once."""
    act = scene("latency=20ms")
    run = act.generate("--autostop", "5", "--processes", processes)
    run.wait_until(2)
    run.send(number)
    code, printed = run.end()
    assert code == (0 if number is not signal.SIGKILL else -signal.SIGKILL), printed
    resumed = act.resume("--processes", processes)
    code, printed = resumed.end()
    assert code == 0, printed
    truth = expected(run.manifest)
    assert len({key[2] for key in truth}) == 5
    assert stored(act.server.url) == truth


def test_a_second_signal_leaves_at_once_and_adds_up(scene: MakeScene) -> None:
    act = scene("latency=20s")
    run = act.generate()
    run.wait_until(1)
    time.sleep(0.5)
    run.send(signal.SIGINT)
    time.sleep(0.5)
    asked = time.monotonic()
    # The system merges a signal with an earlier one that the program has not seen yet.
    while run.process.poll() is None and time.monotonic() < asked + 10:
        run.send(signal.SIGINT)
        time.sleep(0.5)
    code, printed = run.end()
    assert time.monotonic() - asked < 11
    assert code == 1, printed
    ledger = run.ledger
    assert ledger["adds_up"]
    kept = undelivered(act.folder / "fleetstream-undelivered", RecordModel.SINGLE)
    assert len(kept) == ledger["undelivered"]["records"] > 0


def test_a_table_deleted_in_mid_run_ends_it(scene: MakeScene) -> None:
    from tests.chaos.generator import DATABASE, TABLE

    act = scene("latency=5ms")
    run = act.generate()
    run.wait_until(2)
    act.server.write.delete_table(DatabaseName=DATABASE, TableName=TABLE)
    code, printed = run.end()
    assert code == 1
    assert f"{DATABASE}.{TABLE} does not exist any more" in printed
    assert run.ledger["adds_up"]
