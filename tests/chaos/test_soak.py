"""The long run: every fault at once, kills of both sides, for as long as asked."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from fleetstream.generate.choices import RecordModel
from fleetstream.run.manifest import read_manifest
from tests.chaos.conftest import Scene
from tests.chaos.generator import Key, Truth, expected, stored, undelivered

MINUTES = float(os.environ.get("SOAK_MINUTES", "20"))

FAULTS = (
    *("throttle=0.3", "error=0.05", "reset-before=0.05", "reset-after=0.05"),
    *("truncate=0.02", "garbage=0.02", "oversize=0.005", "latency=5ms"),
)


@pytest.mark.soak
def test_a_long_run_loses_nothing(scene: Callable[..., Scene]) -> None:
    """The generator is killed and resumed, the server killed and restarted, again and again."""
    luck = random.Random(7)
    act = scene(*FAULTS, store=True)
    until = time.monotonic() + 60 * MINUTES
    figures: Counter[str] = Counter()
    run = act.generate("--interval", "1s")
    while time.monotonic() < until:
        time.sleep(luck.uniform(5, 20))
        if luck.random() < 0.5:
            figures["server kills"] += 1
            figures.update(_injected(act))
            act.server.kill()
            time.sleep(luck.uniform(0.1, 3))
            act.server.restart()
        else:
            figures["generator kills"] += 1
            figures["retries"] += run.ledger["retried"]
            run.send(signal.SIGKILL)
            run.process.wait()
            run = act.resume()
    time.sleep(5)  # a generator that was resumed just now has to be up to hear the signal
    run.send(signal.SIGINT)
    code, printed = run.end()
    if code:
        # What was in flight when it was stopped had its time, and is kept.
        assert "not delivered within" in printed, printed
    figures["retries"] += run.ledger["retried"]
    figures.update(_injected(act))
    last = act.resume()
    last.wait_until(1)
    time.sleep(5)
    last.send(signal.SIGINT)
    last.end()
    truth, present = expected(run.manifest), stored(act.server.url)
    present |= undelivered(act.folder / "fleetstream-undelivered", RecordModel.SINGLE)
    figures["records"] = len(present)
    figures["lost"] = len(truth.keys() - present.keys() - _cut(run.manifest, truth))
    print(dict(figures))
    assert not figures["lost"]
    assert present.items() <= truth.items()


def _injected(act: Scene) -> dict[str, int]:
    report = requests.get(f"{act.server.url}/faults", timeout=10).json()
    return {f"injected {kind}": count for kind, count in report["injected"].items()}


def _cut(manifest: Path, truth: Truth) -> set[Key]:
    """The records of sweeps that were begun and not finished when the last generator stopped."""
    unsettled = set(read_manifest(manifest).unsettled)
    return {key for key in truth if key[2] in unsettled}
