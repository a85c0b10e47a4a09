"""Standard output with styles."""

from typing import NoReturn

from rich.console import Console


class OutputConsole(Console):
    """Prints to standard output, and raises BrokenPipeError where its reader has left.

    rich ends the program with exit code 1 there, which says that records were not delivered.
    """

    def __init__(self, *, coloured: bool = True) -> None:
        super().__init__(highlight=False, soft_wrap=True, color_system="auto" if coloured else None)

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError
