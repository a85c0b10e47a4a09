"""All faults at once, and kills of both sides: afterwards everything is there, once."""

import os
import random
import time
from pathlib import Path

import pytest

from tests.chaos.soak import CAPACITY, FAULTS, Soak
from tests.servers.emulator_process import EmulatorProcess

RECORDS = int(float(os.environ.get("RECORDS") or 1_000_000))


@pytest.mark.parametrize(
    ("records", "kills"),
    [
        pytest.param(15_000, 1, marks=pytest.mark.slow, id="short"),
        pytest.param(
            RECORDS,
            min(max(RECORDS // 2_000_000, 3), 50),
            marks=pytest.mark.soak,
            id="RECORDS",
        ),
    ],
)
def test_a_long_run_loses_nothing(tmp_path: Path, records: int, kills: int) -> None:
    """Rejected records are in files, all others are stored, once; a replay delivers the rest."""
    began = time.monotonic()
    faults = [f"{kind}={value}" for kind, value in (FAULTS | CAPACITY).items()]
    with EmulatorProcess(store=tmp_path / "store", faults=faults, seed=5) as server:
        soak = Soak(server, tmp_path, records)
        soak.run(kills, random.Random(7))
        figures = soak.figures
        assert figures["generator killed"] == figures["server killed"] == kills
        figures["seconds of writing"] = int(time.monotonic() - began)
        stored, kept = soak.stored(), soak.kept()
        figures.update({"records": soak.total, "rejected records": soak.total - stored})
        # What was sent again after a kill may have been rejected in one run and stored by another.
        assert soak.total - stored <= kept
        assert kept > 0
        soak.replay()
        assert soak.stored() == soak.total
        began = time.monotonic()
        print(soak.verify())
        figures["seconds of verifying"] = int(time.monotonic() - began)
    print("\n".join(f"{name}: {count:,}" for name, count in sorted(figures.items())))
    # A short run may not meet all kinds.
    kinds = FAULTS | CAPACITY if records >= 1_000_000 else ["capacity", "throttle"]
    assert [kind for kind in kinds if not figures[f"fault {kind}"]] == []
