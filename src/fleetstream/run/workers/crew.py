"""Crews: where workers live, and how they are talked to."""

import contextlib
import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol

from fleetstream.run.workers.orders import Assignment, Message, Order
from fleetstream.run.workers.worker import work

LEAVE_WITHIN = 5.0
"""Seconds that a worker has to say its last word once the run is stopped at once."""


class Crew(Protocol):
    """Workers by number; ``replaces`` says whether one that is lost can be started again."""

    @property
    def replaces(self) -> bool:
        """Whether a worker that is lost can be started again."""
        ...

    def open(self, count: int) -> None:
        """Make sure that so many can be started; raises :class:`TargetUnusable`."""
        ...

    def start(self, number: int, assignment: Assignment) -> None:
        """Start a worker, or start it again."""
        ...

    def tell(self, number: int, order: Order) -> None:
        """Give an order; one that is gone does not hear it."""
        ...

    def listen(self, seconds: float) -> Iterable[tuple[int, Message | None]]:
        """What workers have said, after so many seconds at most; None for one that is gone."""
        ...

    def dismiss(self, number: int) -> None:
        """Listen no more to a worker that has said its last word, or is gone."""
        ...

    def end(self, *, patiently: bool) -> None:
        """End all workers, those that are done by themselves ``patiently``."""
        ...


class ProcessCrew:
    """Processes on this machine."""

    replaces = False

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._processes: list[BaseProcess] = []
        self._connections: dict[int, Connection] = {}

    def open(self, count: int) -> None:
        """Processes can always be started."""

    def start(self, number: int, assignment: Assignment) -> None:
        """Start a process with a connection to it."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(theirs, assignment, number), daemon=True
        )
        process.start()
        theirs.close()
        self._processes.append(process)
        self._connections[number] = ours

    def tell(self, number: int, order: Order) -> None:
        """Write into its connection."""
        with contextlib.suppress(OSError):
            self._connections[number].send(order)

    def listen(self, seconds: float) -> Iterator[tuple[int, Message | None]]:
        """Read what stands in connections."""
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
        """Close its connection."""
        self._connections.pop(number).close()

    def end(self, *, patiently: bool) -> None:
        """Wait for the processes, then kill those that are left."""
        for process in self._processes:
            process.join(LEAVE_WITHIN if patiently else 0)
            process.kill()


def _work(connection: Connection, assignment: Assignment, number: int) -> None:
    # Ctrl-C in a terminal goes to all processes of it; the parent alone acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    work(connection, assignment, number)
