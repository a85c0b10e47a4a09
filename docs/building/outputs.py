"""Puts into `docs/watching.md` what the estimate that it shows prints now."""

import contextlib
import io
import re
import shlex

from fleetstream.cli import main

from docs.building import DOCS

PAGE = DOCS / "watching.md"

_ESTIMATE = re.compile(r"(?<=```console\n)\$ (fleetstream estimate [^\n]*)\n(.*?)(?=```)", re.DOTALL)


def build() -> None:
    """Write the page."""
    PAGE.write_text(page())


def page() -> str:
    """The page with what the command prints."""
    return _ESTIMATE.sub(_with_output, PAGE.read_text())


def _with_output(found: re.Match[str]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        main(shlex.split(found[1])[1:])
    return f"$ {found[1]}\n{printed.getvalue()}"


if __name__ == "__main__":
    build()
