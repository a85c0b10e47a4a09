"""Control of a run: stop it gently, stop it at once, pause it."""

import threading
import time

DRAIN_SECONDS = 30.0


class Control:
    """Tells a run to stop or to pause; used from several threads.

    After :attr:`gently` is set, nothing new is generated and what is in flight is finished; after
    :attr:`at_once`, everything without an outcome is given up. ``reason`` says why the run was
    ended, None where the user asked for it. ``drain_seconds`` is the time for which requests in
    flight may still take, and be retried, after a gentle stop.
    """

    def __init__(self, drain_seconds: float = DRAIN_SECONDS) -> None:
        self.drain_seconds = drain_seconds
        self.gently = threading.Event()
        self.at_once = threading.Event()
        self.reason: str | None = None
        self._running = threading.Event()
        self._running.set()
        self._asked_at = 0.0

    def ask(self) -> None:
        """Stop gently; when asked again, at once."""
        if self.gently.is_set():
            self.at_once.set()
        self._asked_at = time.monotonic()
        self.gently.set()
        self._running.set()

    def fail(self, reason: str) -> None:
        """Stop at once, because nothing more can be delivered."""
        self.reason = self.reason or reason
        self.gently.set()
        self.at_once.set()
        self._running.set()

    def pause(self) -> None:
        """Generate nothing until :meth:`resume`; what is in flight is delivered meanwhile."""
        if not self.gently.is_set():
            self._running.clear()

    def resume(self) -> None:
        """End a pause."""
        self._running.set()

    @property
    def is_paused(self) -> bool:
        return not self._running.is_set()

    def wait_while_paused(self) -> None:
        """Return when the run is not paused, or is to stop."""
        self._running.wait()

    @property
    def is_overdue(self) -> bool:
        """Whether what was in flight has had its time to finish since the gentle stop."""
        return self.gently.is_set() and time.monotonic() - self._asked_at > self.drain_seconds
