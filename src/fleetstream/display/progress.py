"""Progress while a run goes on: a live view on a terminal, else a log."""

import os
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType

from rich.console import Console, RenderableType

from fleetstream.display.history import History
from fleetstream.display.log import Log, LogFormat
from fleetstream.display.run import Run
from fleetstream.pipeline import Stop

REFRESHES = 4
"""Refreshes of the live view a second."""


class Progress:
    """Shows on standard error how a run goes, from entering it to leaving it.

    A log is written instead of the live view where standard error is no terminal or a simple one,
    where the environment variable ``NO_COLOR`` is set, and where ``quiet`` or JSON asks for it.
    """

    def __init__(
        self, run: Run, history: History, stop: Stop, *, quiet: bool, log_format: LogFormat
    ) -> None:
        self._run = run
        self._history = history
        self._stop = stop
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        plain = quiet or log_format == "json" or bool(os.environ.get("NO_COLOR"))
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal and not plain
        self._log_format = log_format
        self._stack = ExitStack()

    def __enter__(self) -> "Progress":
        self._stack.enter_context(self._history)
        self._stack.enter_context(self._view())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _view(self) -> AbstractContextManager[object]:
        if not self._live:
            return Log(self._run, self._history, self._log_format)
        from rich.live import Live

        run = self._run
        self._console.print(
            f"Streaming {run.hosts:,} hosts and {run.processes:,} processes into "
            f"{run.sink.name}; seed {run.workload.seed}.",
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
