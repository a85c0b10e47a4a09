"""A pool whose workers are threads of this process, so that they can write to memory."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fleetstream.run.workers.messages import Assignment, Message, Order
from fleetstream.run.workers.worker import work


@dataclass
class Connection:
    """The channel of one worker, until it is cut."""

    number: int
    heard: "queue.SimpleQueue[tuple[Connection, Message | None]]"
    orders: "queue.SimpleQueue[Order | None]" = field(default_factory=queue.SimpleQueue)
    is_cut: bool = False

    def send(self, message: Message) -> None:
        if self.is_cut:
            raise BrokenPipeError
        self.heard.put((self, message))

    def recv(self) -> Order:
        order = self.orders.get()
        if order is None or self.is_cut:
            raise EOFError
        return order

    def cut(self) -> None:
        self.is_cut = True
        self.orders.put(None)


class ThreadPool:
    """Loses a worker whenever ``loses`` says so of a message that it has sent."""

    def __init__(
        self,
        loses: Callable[[int, Message], bool] = lambda _number, _message: False,
        *,
        replaces: bool = True,
    ) -> None:
        self.replaces = replaces
        self.started: list[int] = []
        self.dismissed: list[int] = []
        self.ended = False
        self._loses = loses
        self._heard: queue.SimpleQueue[tuple[Connection, Message | None]] = queue.SimpleQueue()
        self._connections: dict[int, Connection] = {}
        self._threads: list[threading.Thread] = []

    def open(self, count: int) -> None:
        """Threads can always be started."""

    def start(self, number: int, assignment: Assignment) -> None:
        connection = Connection(number, self._heard)
        thread = threading.Thread(target=work, args=(connection, assignment, number), daemon=True)
        thread.start()
        self.started.append(number)
        self._threads.append(thread)
        self._connections[number] = connection

    def tell(self, number: int, order: Order) -> None:
        self._connections[number].orders.put(order)

    def listen(self, seconds: float) -> Iterator[tuple[int, Message | None]]:
        try:
            connection, message = self._heard.get(timeout=seconds)
        except queue.Empty:
            return
        number = connection.number
        if self._connections.get(number) is not connection or connection.is_cut:
            return
        if message is not None and self._loses(number, message):
            connection.cut()
            message = None
        yield number, message

    def dismiss(self, number: int) -> None:
        self.dismissed.append(number)
        self._connections.pop(number).cut()

    def end(self, *, patiently: bool) -> None:
        self.ended = True
        for connection in self._connections.values():
            connection.cut()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()


class WaitingPool:
    """Workers that wait for a place in a cluster, and so say nothing."""

    replaces = True

    def __init__(self) -> None:
        self.told: list[Order] = []
        self.dismissed: list[int] = []

    def open(self, count: int) -> None:
        """There seemed to be places."""

    def start(self, number: int, assignment: Assignment) -> None:
        """Starts when there is a place, which is never."""

    def tell(self, number: int, order: Order) -> None:
        self.told.append(order)

    def listen(self, seconds: float) -> Iterator[tuple[int, Message | None]]:
        time.sleep(seconds)
        yield from ()

    def dismiss(self, number: int) -> None:
        self.dismissed.append(number)

    def end(self, *, patiently: bool) -> None:
        """There is nothing to end."""
