"""Worker pools: where workers live, and how messages reach them."""

import contextlib
import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol

from fleetstream.run.workers.messages import Assignment, Message, Order
from fleetstream.run.workers.worker import work

LEAVE_WITHIN = 5.0
"""Seconds that a worker has for its last report once the run is stopped at once."""


class WorkerPool(Protocol):
    """Workers by number."""

    @property
    def replaces(self) -> bool:
        """Whether a worker that is lost can be started again."""
        ...

    def open(self, count: int) -> None:
        """Make sure that ``count`` workers can be started. Raises TargetUnusable."""
        ...

    def start(self, number: int, assignment: Assignment) -> None:
        """Start a worker, or start it again."""
        ...

    def tell(self, number: int, order: Order) -> None:
        """Send an order to a worker, which may be gone."""
        ...

    def listen(self, seconds: float) -> Iterable[tuple[int, Message | None]]:
        """Messages by worker, received within ``seconds``; None for a worker that is gone."""
        ...

    def dismiss(self, number: int) -> None:
        """Stop listening to a worker that has sent its last report, or is gone."""
        ...

    def end(self, *, patiently: bool) -> None:
        """End all workers; ``patiently`` lets those that are done end by themselves."""
        ...


class ProcessPool:
    """Processes on this machine."""

    replaces = False

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._processes: list[BaseProcess] = []
        self._connections: dict[int, Connection] = {}

    def open(self, count: int) -> None:
        """Processes can always be started."""

    def start(self, number: int, assignment: Assignment) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(theirs, assignment, number), daemon=True
        )
        process.start()
        theirs.close()
        self._processes.append(process)
        self._connections[number] = ours

    def tell(self, number: int, order: Order) -> None:
        with contextlib.suppress(OSError):
            self._connections[number].send(order)

    def listen(self, seconds: float) -> Iterator[tuple[int, Message | None]]:
        numbers = {connection: number for number, connection in self._connections.items()}
        for connection in wait(list(numbers), seconds):
            assert isinstance(connection, Connection)
            try:
                message = connection.recv()
            except (EOFError, OSError):
                yield numbers[connection], None
            else:
                yield numbers[connection], message

    def dismiss(self, number: int) -> None:
        self._connections.pop(number).close()

    def end(self, *, patiently: bool) -> None:
        for process in self._processes:
            process.join(LEAVE_WITHIN if patiently else 0)
            process.kill()


def _work(connection: Connection, assignment: Assignment, number: int) -> None:
    # Ctrl-C in a terminal reaches all processes of it; the coordinator alone acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    work(connection, assignment, number)
