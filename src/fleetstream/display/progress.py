"""Progress while a run goes on: a live view on a terminal, else a log."""

import os
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType

from fleetstream.display.history import History
from fleetstream.display.log import Log, LogFormat
from fleetstream.display.run import Run
from fleetstream.pipeline import Stop

if TYPE_CHECKING:
    from rich.live import Live

REFRESHES = 4
"""Refreshes of the live view a second."""


class Progress:
    """Shows on standard error how a run goes, from entering it to leaving it.

    A log is written instead of the live view where ``log_format`` asks for one, where standard
    error is no terminal or a simple one, and where the environment variable ``NO_COLOR`` is set.
    ``metrics_url`` is where metrics are served, if they are.
    """

    def __init__(
        self,
        run: Run,
        history: History,
        stop: Stop,
        log_format: LogFormat | None,
        metrics_url: str | None,
    ) -> None:
        self._run = run
        self._history = history
        self._stop = stop
        self._metrics_url = metrics_url
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        capable = self._console.is_terminal and not self._console.is_dumb_terminal
        if log_format is None and (not capable or os.environ.get("NO_COLOR")):
            log_format = "text"
        self._log_format = log_format
        self._view: AbstractContextManager[object] = nullcontext()

    def __enter__(self) -> "Progress":
        self._view = self._live() if self._log_format is None else self._log(self._log_format)
        self._view.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._view.__exit__(kind, error, trace)

    def _log(self, log_format: LogFormat) -> Log:
        return Log(self._run, self._history, log_format, self._metrics_url)

    def _live(self) -> "Live":
        """The view, under a line that stays when it has gone."""
        from rich.live import Live

        run = self._run
        metrics = f" Metrics at {self._metrics_url}." if self._metrics_url else ""
        self._console.print(
            f"Streaming {run.hosts:,} hosts and {run.processes:,} processes into "
            f"{run.sink.name}; seed {run.workload.seed}.{metrics}",
            markup=False,
        )
        # On the alternate screen, a terminal that is resized leaves nothing behind.
        return Live(
            console=self._console,
            get_renderable=self._panel,
            screen=True,
            refresh_per_second=REFRESHES,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def _panel(self) -> RenderableType:
        from fleetstream.display.live import live_panel

        return live_panel(self._run, self._history.recent, self._notice())

    def _notice(self) -> str:
        if self._stop.at_once.is_set():
            return "Leaving"
        if self._stop.gently.is_set():
            return "Finishing what is in flight; Ctrl-C again leaves at once"
        return "Ctrl-C stops"
