"""The display of a run in progress: the live view on a terminal, otherwise a log."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from fleetstream.report.facts import RunFacts
from fleetstream.report.formats import counts
from fleetstream.report.history import History
from fleetstream.report.log import LogFormat, progress_log
from fleetstream.run.control import Control

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

REFRESHES = 4
"""Refreshes of the live view per second."""


def progress_display(
    facts: RunFacts,
    history: History,
    control: Control,
    log_format: LogFormat | None,
    metrics_url: str | None,
) -> AbstractContextManager[object]:
    """Shows on standard error how a run goes, until the block is left.

    A log is written instead of the live view where ``log_format`` names a format, where standard
    error is not a terminal, or a simple one (without cursor or UTF-8), and where the environment
    variable ``NO_COLOR`` is set.
    ``metrics_url`` is the URL of the metrics, None where none are served.
    """
    if log_format is None:
        from rich.console import Console

        console = Console(stderr=True, highlight=False, soft_wrap=True)
        simple = console.is_dumb_terminal or console.options.ascii_only
        if console.is_terminal and not simple and not os.environ.get("NO_COLOR"):
            return _live_view(console, facts, history, control, metrics_url)
    return progress_log(facts, history, log_format or "text", metrics_url)


@contextmanager
def _live_view(
    console: "Console",
    facts: RunFacts,
    history: History,
    control: Control,
    metrics_url: str | None,
) -> Iterator[None]:
    """The live view on the alternate screen, after a line that stays on the primary one."""
    from rich.live import Live

    from fleetstream.report.keyboard import RunKeys, read_keys
    from fleetstream.report.live import live_panel

    metrics = f" Metrics at {metrics_url}." if metrics_url else ""
    console.print(
        f"Streaming {counts(facts.series)} into {facts.sink.name}; seed {facts.generator.seed}."
        f"{metrics}",
        markup=False,
    )
    keys = RunKeys(control)
    with read_keys(keys.press) as reading:

        def panel() -> "RenderableType":
            samples = history.recent
            return live_panel(
                facts,
                samples,
                control,
                rows=console.height,
                keys=reading,
                help_shown=keys.help_shown,
            )

        # On the alternate screen, resizing the terminal leaves nothing behind.
        with Live(
            console=console,
            get_renderable=panel,
            screen=True,
            refresh_per_second=REFRESHES,
            redirect_stdout=False,
            redirect_stderr=False,
        ):
            yield
