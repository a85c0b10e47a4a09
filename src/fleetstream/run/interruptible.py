"""Calls that Ctrl-C can end while they wait for a server.

Python acts on a signal when its main thread returns from a call, and libraries in C return only
when the server has answered, or their patience is over.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

_THREAD = "interruptible call"


def interruptible(call: Callable[[], Result]) -> Result:
    """The result of a call that is made in a thread of its own; raises what it raises.

    KeyboardInterrupt is raised at once; the thread is left alone then, and ends with the program.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name=_THREAD, daemon=True)
    thread.start()
    thread.join()
    for error in errors:
        raise error
    return results[0]


def is_waiting() -> bool:
    """Whether a call that was interrupted still waits."""
    return any(thread.name == _THREAD for thread in threading.enumerate())
