"""What a faulty service does: afterwards every record is stored once, or accounted for."""

import signal
from collections.abc import Callable

import pytest

from fleetstream.generate.choices import RecordModel
from tests.chaos.conftest import Scene
from tests.chaos.generator import expected, stored, undelivered

MakeScene = Callable[..., Scene]

MODELS = [pytest.param(RecordModel.SINGLE, marks=pytest.mark.slow), RecordModel.MULTI]

FAULTS = {
    "throttled": ["throttle=0.3"],
    "errors and resets": ["error=0.05", "reset-before=0.05", "reset-after=0.05"],
    "broken answers": ["truncate=0.05", "garbage=0.05", "oversize=0.02"],
    "all together": [
        *["throttle=0.3", "error=0.05", "reset-before=0.05", "reset-after=0.05"],
        *["truncate=0.03", "garbage=0.03", "oversize=0.01", "latency=5ms"],
    ],
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(each, marks=[] if name == "all together" else pytest.mark.slow, id=name)
        for name, each in FAULTS.items()
    ],
)
def test_faults_that_pass_lose_nothing(
    scene: MakeScene, faults: list[str], model: RecordModel
) -> None:
    """All is stored, once, and faults are counted rather than shown."""
    act = scene(*faults)
    # One multi-measure request holds ten times the values: more hosts make as many requests.
    scale = "1" if model is RecordModel.SINGLE else "10"
    run = act.generate("--autostop", "4", "--record-model", model, "--host-scale", scale)
    code, printed = run.end()
    assert code == 0, printed
    assert stored(act.server.url, model) == expected(run.manifest)
    ledger = run.ledger
    assert ledger["adds_up"]
    assert ledger["stored"] == ledger["generated"]
    assert ledger["retried"] > 0


@pytest.mark.parametrize("processes", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_rejected_records_are_kept_with_their_reasons(scene: MakeScene, processes: str) -> None:
    """Stored + rejected = generated; what is rejected can be replayed once it is welcome."""
    act = scene("reject=0.01")
    run = act.generate("--autostop", "4", "--processes", processes)
    code, printed = run.end()
    assert code == 1, printed
    truth, present = expected(run.manifest), stored(act.server.url)
    kept = undelivered(act.folder / "fleetstream-undelivered", RecordModel.SINGLE)
    assert kept
    assert present | kept == truth
    assert not present.keys() & kept.keys()
    ledger = run.ledger
    assert ledger["adds_up"]
    assert ledger["rejected"]["records"] == len(kept) == sum(ledger["rejections"].values())


def test_slow_answers_do_not_hold_up_a_stop(scene: MakeScene) -> None:
    """With answers that take longer than sweeps, Ctrl-C ends the run in time, and it adds up."""
    act = scene("latency=2s")
    run = act.generate("-c", "20")
    run.wait_until(3)
    run.send(signal.SIGINT)
    code, printed = run.end(timeout=30)
    assert code in (0, 1), printed
    assert run.ledger["adds_up"]
    assert run.ledger["stored"]["records"] > 0
