"""Puts into `docs/root-cause.md` what its code prints now."""

import contextlib
import io
import re
from typing import Any

from docs.building import DOCS

PAGE = DOCS / "root-cause.md"

_BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)


def build() -> None:
    """Write the page."""
    text, _ = executed()
    PAGE.write_text(text)


def executed() -> tuple[str, dict[str, Any]]:
    """The page with what its code prints in its blocks of text, and the names that it defines."""
    names: dict[str, Any] = {}
    printed = io.StringIO()

    def block(found: re.Match[str]) -> str:
        nonlocal printed
        if found[1] == "text":
            shown, printed = printed.getvalue(), io.StringIO()
            return f"```text\n{shown}```"
        with contextlib.redirect_stdout(printed):
            exec(compile(found[2], PAGE.name, "exec"), names)
        return found[0]

    return _BLOCK.sub(block, PAGE.read_text()), names


if __name__ == "__main__":
    build()
