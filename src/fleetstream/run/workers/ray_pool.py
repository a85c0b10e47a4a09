"""A pool on a Ray cluster: each worker is an actor, on any machine with a free core."""

import contextlib
import logging
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Ray reads this as it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
import ray.exceptions

from fleetstream.run.workers.messages import Assignment, Message, Order
from fleetstream.run.workers.worker import work
from fleetstream.targets.sink import TargetUnusable

LOCAL = "local"
"""The address that asks for a cluster on this machine, made for the run."""

ANSWER_WAIT = 0.2
"""Seconds that a worker waits for a message to return."""

CONNECT_TIMEOUT = 5.0

STATUS_TIMEOUT = 20.0
"""Seconds that a cluster has to answer ``ray status``, which takes about two."""

# Ray's warnings would disturb the live view and the log; what matters raises an exception.
logging.getLogger("ray").setLevel(logging.CRITICAL)


class RayPool:
    """Actors of a cluster, whose head has an address (HOST:PORT) or is :data:`LOCAL`."""

    replaces = True

    def __init__(self, address: str) -> None:
        self._address = address
        self._actors: dict[int, Any] = {}
        self._asked: dict[Any, int] = {}
        self._session: Path | None = None

    def open(self, count: int) -> None:
        """Join the cluster. Raises TargetUnusable where it does not answer, or is too small."""
        session = _connect(self._address, count)
        self._session = session if self._address == LOCAL else None
        there: Any = ray.cluster_resources
        idle: Any = ray.available_resources
        cores, free = (int(resources().get("CPU", 0)) for resources in (there, idle))
        if free < count:
            self._leave()
            raise TargetUnusable(
                f"The Ray cluster has {cores} cores, {free} of them free, but --workers is "
                f"{count}; ask for fewer, or add machines to the cluster."
            )

    def start(self, number: int, assignment: Assignment) -> None:
        # Orders and messages pass at the same time. Each has one thread, since with several an
        # order could overtake another: an end before a sweep, which would never be generated.
        remote: Any = ray.remote
        actors = remote(num_cpus=1, concurrency_groups={"orders": 1, "messages": 1})(_Actor)
        actor = actors.remote(assignment, number, str(Path.cwd()))
        self._actors[number] = actor
        self._ask(number)

    def tell(self, number: int, order: Order) -> None:
        self._actors[number].tell.remote(order)

    def listen(self, seconds: float) -> Iterator[tuple[int, Message | None]]:
        ready, _ = ray.wait(list(self._asked), num_returns=1, timeout=seconds)
        for answer in ready:
            number = self._asked.pop(answer)
            try:
                messages = ray.get(answer)
            except ray.exceptions.RayError:
                yield number, None
                continue
            self._ask(number)
            for message in messages:
                yield number, message

    def dismiss(self, number: int) -> None:
        for answer in [answer for answer, asked in self._asked.items() if asked == number]:
            del self._asked[answer]
        actor = self._actors.pop(number, None)
        if actor is not None:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.kill(actor)

    def end(self, *, patiently: bool) -> None:  # noqa: ARG002 - nothing is left to do
        """Leave the cluster; a local one ends."""
        for number in list(self._actors):
            self.dismiss(number)
        self._leave()

    def _leave(self) -> None:
        """Leave the cluster, and remove the files of a local one."""
        ray.shutdown()
        if self._session is not None:
            shutil.rmtree(self._session, ignore_errors=True)

    def _ask(self, number: int) -> None:
        self._asked[self._actors[number].hear.remote()] = number


class _ActorChannel:
    """The channel of a worker in its actor."""

    def __init__(self) -> None:
        self.orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def send(self, message: Message) -> None:
        self.messages.put(message)

    def recv(self) -> Order:
        return self.orders.get()


class _Actor:
    """A worker in a Ray actor."""

    def __init__(self, assignment: Assignment, number: int, folder: str) -> None:
        with contextlib.suppress(OSError):
            os.chdir(folder)
        self._channel = _ActorChannel()
        self._failure: BaseException | None = None
        threading.Thread(target=self._work, args=(assignment, number), daemon=True).start()

    @ray.method(concurrency_group="orders")
    def tell(self, order: Order) -> None:
        self._channel.orders.put(order)

    @ray.method(concurrency_group="messages")
    def hear(self) -> list[Message]:
        """The worker's messages since the last call. Raises the exception that ended it."""
        said: list[Message] = []
        with contextlib.suppress(queue.Empty):
            said.append(self._channel.messages.get(timeout=ANSWER_WAIT))
            while True:
                said.append(self._channel.messages.get_nowait())
        if not said and self._failure is not None:
            raise self._failure
        return said

    def _work(self, assignment: Assignment, number: int) -> None:
        try:
            work(self._channel, assignment, number)
        except BaseException as error:
            self._failure = error


def _connect(address: str, cores: int) -> Path:
    """Join a cluster, or start a local one; returns its folder. Raises TargetUnusable."""
    where: dict[str, Any] = {"address": LOCAL, "num_cpus": cores, "include_dashboard": False}
    if address != LOCAL:
        _check(address)
        where = {"address": address}
    try:
        context: Any = ray.init(**where, configure_logging=False, log_to_driver=False)
    except Exception as error:  # Ray raises just Exception where a node does not start
        reason = str(error).partition("\n")[0]
        what = (
            "Ray cannot start here"
            if address == LOCAL
            else f"There is no Ray cluster at {address!r}"
        )
        raise TargetUnusable(f"{what}: {reason}") from error
    return Path(context.address_info["session_dir"])


def _check(address: str) -> None:
    """Raises where no cluster answers, since Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise ValueError(
            f"{address!r} is not the address of a Ray cluster; write 'local' or HOST:PORT."
        )
    try:
        socket.create_connection((host, int(port)), CONNECT_TIMEOUT).close()
    except OSError as error:
        raise TargetUnusable(
            f"There is no Ray cluster at {address!r}: {error.strerror or error}. Start one with "
            "`ray start --head`, or name 'local'."
        ) from error
    # In a separate process, which can be killed.
    status = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        subprocess.run(status, capture_output=True, check=True, timeout=STATUS_TIMEOUT)  # noqa: S603 - an address, no option
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        if b"AuthenticationError" in (error.stderr or b""):
            raise TargetUnusable(
                f"The Ray cluster at {address!r} requires a token; set RAY_AUTH_MODE=token and "
                "provide the cluster's token in RAY_AUTH_TOKEN or in ~/.ray/auth_token."
            ) from error
        raise TargetUnusable(
            f"What listens at {address!r} is not a Ray cluster; name the port of its head, which "
            "is 6379 by default."
        ) from error
