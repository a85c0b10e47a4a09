"""The page about model files shows what its commands print."""

import re
import shlex
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from fleetstream.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "model-files.md"
STEPS = [
    step
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
]


def printed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    program, *arguments = shlex.split(command)
    if program != "fleetstream":
        subprocess.run([program, *arguments], check=True)
        return ""
    with suppress(SystemExit):
        main(arguments)
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_commands_print_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Line by line, as far as the page shows it."""
    monkeypatch.chdir(tmp_path)
    assert len(STEPS) == 10
    for step in STEPS:
        command, *expected = step.splitlines()
        lines = printed(command, capsys).splitlines()
        assert [line.strip() for line in lines[: len(expected)]] == expected
