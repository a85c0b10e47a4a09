"""Progress while a run goes on: a live view on a terminal, else a log."""

import os
from contextlib import AbstractContextManager

from rich.console import Console, RenderableType

from fleetstream.report.history import History
from fleetstream.report.log import LogFormat, logged
from fleetstream.report.run import Run
from fleetstream.run.pipeline import Stop

REFRESHES = 4
"""Refreshes of the live view a second."""


def progress(
    run: Run,
    history: History,
    stop: Stop,
    log_format: LogFormat | None,
    metrics_url: str | None,
) -> AbstractContextManager[object]:
    """Shows on standard error how a run goes, until the block is left.

    A log is written instead of the live view where ``log_format`` asks for one, where standard
    error is no terminal or a simple one, and where the environment variable ``NO_COLOR`` is set.
    ``metrics_url`` is where metrics are served, if they are.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    capable = console.is_terminal and not console.is_dumb_terminal
    if log_format is None and (not capable or os.environ.get("NO_COLOR")):
        log_format = "text"
    if log_format is not None:
        return logged(run, history, log_format, metrics_url)
    return _live(console, run, history, stop, metrics_url)


def _live(
    console: Console, run: Run, history: History, stop: Stop, metrics_url: str | None
) -> AbstractContextManager[object]:
    """The live view, under a line that stays when it has gone."""
    from rich.live import Live

    from fleetstream.report.live import live_panel

    def panel() -> RenderableType:
        return live_panel(run, history.recent, _notice(stop))

    metrics = f" Metrics at {metrics_url}." if metrics_url else ""
    console.print(
        f"Streaming {run.hosts:,} hosts and {run.processes:,} processes into {run.sink.name}; "
        f"seed {run.workload.seed}.{metrics}",
        markup=False,
    )
    # On the alternate screen, a terminal that is resized leaves nothing behind.
    return Live(
        console=console,
        get_renderable=panel,
        screen=True,
        refresh_per_second=REFRESHES,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _notice(stop: Stop) -> str:
    """What to know or do now."""
    if stop.at_once.is_set():
        return "Leaving"
    if stop.gently.is_set():
        return "Finishing what is in flight; Ctrl-C again leaves at once"
    return "Ctrl-C stops"
