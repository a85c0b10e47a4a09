"""The command line: one module per command in ``commands/``, imported only when it is used."""

import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

USAGE = 2
"""Exit code for wrong usage."""

OUTPUT_CLOSED = 128 + 13
"""Exit code where the output was a pipe that was closed: that of an end by SIGPIPE."""

OUTPUT_LOST = 74
"""Exit code where the output cannot be written, as on a full disk: EX_IOERR of sysexits.h."""

INTERRUPTED = 128 + 2
"""Exit code where Ctrl-C came while nothing was being written: that of an end by SIGINT."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
"""The signals that a run handles itself."""

_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Errors of writing to a file that is open."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. Signal handlers are restored afterwards."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        return _exit_code(sys.argv[1:] if arguments is None else arguments)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _WithoutPandas:
    """An importer that says pandas is not installed.

    Arrow imports pandas, where it is installed, with the first array it makes. No command uses it,
    and it takes longer than all else that a short run imports.
    """

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not used here", name=name)


def entry() -> None:
    """The program: run the command of the command line and exit with its code."""
    _prepare_standard_streams()
    sys.meta_path.insert(0, _WithoutPandas)
    code = _exit_code(sys.argv[1:])
    # The command has said how it ended; another Ctrl-C must not replace its exit code.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if code == INTERRUPTED:
        _leave_waiting_calls()
    sys.exit(code)


def _exit_code(arguments: Sequence[str]) -> int:
    try:
        return _run(arguments)
    except BrokenPipeError:
        _discard_output()
        return OUTPUT_CLOSED
    except OSError as error:
        if not _is_of_output(error):
            raise
        _discard_output()
        print(f"Error: The output cannot be written: {error.strerror}.", file=sys.stderr)
        return OUTPUT_LOST
    except KeyboardInterrupt:
        # A run that writes handles signals itself.
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED


def _leave_waiting_calls() -> None:
    """End at once where a call still waits for a server, whose library would wait for the call."""
    from fleetstream.run.interruptible import is_waiting

    if is_waiting():
        os._exit(INTERRUPTED)


def _prepare_standard_streams() -> None:
    """Open those that are closed, so that no file that a run writes gets their numbers.

    What the encoding of standard output lacks is escaped, as it is in standard error.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode)  # noqa: SIM115 - open until the program ends
            setattr(sys, name, stream)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _is_of_output(error: OSError) -> bool:
    """Whether an error comes from standard output, which keeps what could not be written.

    Unbuffered, it keeps nothing; then an error of writing that names no file is taken to be its.
    """
    try:
        sys.stdout.flush()
    except OSError:
        return True
    unbuffered = getattr(sys.stdout, "write_through", False)
    return unbuffered and error.filename is None and error.errno in _OF_WRITING


def _discard_output() -> None:
    """Discard what could not be printed, which Python would try and report again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(given: Sequence[str]) -> int:
    from fleetstream.cli.parser import parse

    options = parse(given)
    try:
        code: int = options.run(options)
    except ValueError as error:
        options.fail(str(error))
    sys.stdout.flush()
    return code
