"""A crew on a Ray cluster: each worker is an actor, wherever the cluster has a core free."""

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

from fleetstream.targets.sink import TargetUnusable
from fleetstream.run.workers.orders import Assignment, Message, Order
from fleetstream.run.workers.worker import work

LOCAL = "local"
"""The address that asks for a cluster on this machine, made for the run."""

HEAR_WITHIN = 0.2
"""Seconds that a worker waits for something to say, when it is asked."""

CONNECT_TIMEOUT = 5.0

ANSWER_WITHIN = 20.0
"""Seconds that a cluster has to tell its status; it takes about two."""

# What Ray would warn of goes neither into the live view nor among the lines of a log; what matters
# of it comes as an exception.
logging.getLogger("ray").setLevel(logging.CRITICAL)


class RayCrew:
    """Actors of a cluster, whose head has an address (HOST:PORT), or of :data:`LOCAL`."""

    replaces = True

    def __init__(self, address: str) -> None:
        self._address = address
        self._actors: dict[int, Any] = {}
        self._asked: dict[Any, int] = {}
        self._session: Path | None = None

    def open(self, count: int) -> None:
        """Join the cluster; raises :class:`TargetUnusable` where it is not there, or too small."""
        session = _connect(self._address, count)
        self._session = session if self._address == LOCAL else None
        there: Any = ray.cluster_resources
        idle: Any = ray.available_resources
        cores, free = (int(resources().get("CPU", 0)) for resources in (there, idle))
        if free < count:
            self._leave()
            raise TargetUnusable(
                f"The Ray cluster has {cores} cores, {free} of them free, but --workers asks for "
                f"{count}; ask for fewer, or add machines to the cluster."
            )

    def start(self, number: int, assignment: Assignment) -> None:
        """Start an actor."""
        # It is told and asked at once. One thread for each, since several would let one order
        # overtake another: an end before a sweep, which would then never be generated.
        remote: Any = ray.remote
        actors = remote(num_cpus=1, concurrency_groups={"told": 1, "asked": 1})(_Actor)
        actor = actors.remote(assignment, number, str(Path.cwd()))
        self._actors[number] = actor
        self._ask(number)

    def tell(self, number: int, order: Order) -> None:
        """Call the actor, and don't wait."""
        self._actors[number].tell.remote(order)

    def listen(self, seconds: float) -> Iterator[tuple[int, Message | None]]:
        """What actors have answered."""
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
        """Let go of the actor."""
        for answer in [answer for answer, asked in self._asked.items() if asked == number]:
            del self._asked[answer]
        actor = self._actors.pop(number, None)
        if actor is not None:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.kill(actor)

    def end(self, *, patiently: bool) -> None:  # noqa: ARG002 - all has been said
        """Leave the cluster; one on this machine ends."""
        for number in list(self._actors):
            self.dismiss(number)
        self._leave()

    def _leave(self) -> None:
        """Leave the cluster; of one on this machine nothing stays."""
        ray.shutdown()
        if self._session is not None:
            shutil.rmtree(self._session, ignore_errors=True)

    def _ask(self, number: int) -> None:
        self._asked[self._actors[number].hear.remote()] = number


class _Inside:
    """The channel of a worker in its actor."""

    def __init__(self) -> None:
        self.orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def send(self, message: Message) -> None:
        self.messages.put(message)

    def recv(self) -> Order:
        return self.orders.get()


class _Actor:
    """A worker; it is told orders, and asked for what it has to say."""

    def __init__(self, assignment: Assignment, number: int, folder: str) -> None:
        with contextlib.suppress(OSError):
            os.chdir(folder)
        self._channel = _Inside()
        self._failure: BaseException | None = None
        threading.Thread(target=self._work, args=(assignment, number), daemon=True).start()

    @ray.method(concurrency_group="told")
    def tell(self, order: Order) -> None:
        self._channel.orders.put(order)

    @ray.method(concurrency_group="asked")
    def hear(self) -> list[Message]:
        """What the worker has said since, after a moment at most; raises what ended it."""
        said: list[Message] = []
        with contextlib.suppress(queue.Empty):
            said.append(self._channel.messages.get(timeout=HEAR_WITHIN))
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
    """Join a cluster, or make one; gives its folder, or raises :class:`TargetUnusable`."""
    where: dict[str, Any] = {"address": LOCAL, "num_cpus": cores, "include_dashboard": False}
    if address != LOCAL:
        _check(address)
        where = {"address": address}
    try:
        context: Any = ray.init(**where, configure_logging=False, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = str(error).partition("\n")[0]
        raise TargetUnusable(f"There is no Ray cluster at {address!r}: {reason}") from error
    return Path(context.address_info["session_dir"])


def _check(address: str) -> None:
    """Whether a cluster answers there, since Ray itself would go on trying for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise ValueError(
            f"{address!r} is no address of a Ray cluster; one is 'local' or HOST:PORT."
        )
    try:
        socket.create_connection((host, int(port)), CONNECT_TIMEOUT).close()
    except OSError as error:
        raise TargetUnusable(
            f"There is no Ray cluster at {address!r}: {error.strerror or error}. Start one with "
            "`ray start --head`, or name 'local'."
        ) from error
    # In a process of its own, which can be ended.
    status = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        subprocess.run(status, capture_output=True, check=True, timeout=ANSWER_WITHIN)  # noqa: S603 - an address, no option
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        if b"AuthenticationError" in (error.stderr or b""):
            raise TargetUnusable(
                f"The Ray cluster at {address!r} asks for a token; set RAY_AUTH_MODE=token, and "
                "have the cluster's token in RAY_AUTH_TOKEN or in ~/.ray/auth_token."
            ) from error
        raise TargetUnusable(
            f"What listens at {address!r} does not answer as a Ray cluster does; name the port of "
            "its head, which is 6379 where `ray start --head` was not told another."
        ) from error
