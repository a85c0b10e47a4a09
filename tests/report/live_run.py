"""A program that shows the display of a made-up run: `python -m tests.report.live_run JSON`.

The JSON object has the options of :func:`main`. Each turn delivers a sweep of 260 values.
"""

import json
import signal
import sys
import threading
from typing import Any

from fleetstream.report import history as report_history
from fleetstream.report.display import progress_display
from fleetstream.report.history import recorded
from fleetstream.report.log import LogFormat
from fleetstream.run.control import Control
from fleetstream.run.ledger import Ledger
from tests.report.runs import DiscardingSink, deliver, facts
from tests.telemetry import TIMESTAMP

TURN_SECONDS = 0.1
SWEEP = 1_000_000


def main(
    sweeps: int = 0,
    target: str = "nothing",
    log_format: LogFormat | None = None,
    drains: bool = True,
    crashes: bool = False,
    size: int | None = None,
    throttled: bool = False,
    current_seconds: float | None = None,
) -> None:
    """Deliver ``sweeps`` sweeps, 0 for no end, until stopped; end with a line that says how.

    Without ``drains``, what is in flight is not finished before a stop at once; ``crashes`` raises
    an error instead of delivering anything; the current rate is that of ``current_seconds``.
    """
    if current_seconds is not None:
        report_history.CURRENT_SECONDS = current_seconds
    control, ledger = Control(), Ledger()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: control.ask())
    known = facts(sink=DiscardingSink(target), sweeps=sweeps)
    with recorded(ledger) as history, progress_display(known, history, control, log_format, None):
        if crashes:
            raise RuntimeError("boom")
        done = 0
        while not control.gently.is_set() and (not sweeps or done < sweeps):
            control.wait_while_paused()
            deliver(ledger, 260, size=size, writes=size)
            if throttled:
                ledger.throttled()
            done += 1
            ledger.swept(1, TIMESTAMP + done * SWEEP)
            threading.Event().wait(TURN_SECONDS)
        if not drains:
            control.at_once.wait()
    how = "at once" if control.at_once.is_set() else "gently" if control.gently.is_set() else "not"
    print(f"Stopped {how} after {done} sweeps.")


if __name__ == "__main__":
    options: dict[str, Any] = json.loads(sys.argv[1])
    main(**options)
