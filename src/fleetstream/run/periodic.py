"""Periodic actions beside a run."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def periodically(seconds: float, action: Callable[[], None], name: str) -> Iterator[None]:
    """Call ``action`` every ``seconds`` in a thread of that name until the block is left."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(seconds):
            action()

    thread = threading.Thread(target=repeat, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
