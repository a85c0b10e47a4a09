"""The examples of docs/api.md and of the README do what they say."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("docs/api.md", "README.md")


def examples(page: str) -> list[str]:
    """The Python examples of a page, in order."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(
    page: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    found = examples(page)
    assert found
    names: dict[str, object] = {}
    for example in found:
        exec(compile(example, page, "exec"), names)
    assert capsys.readouterr().out


def test_what_the_examples_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The numbers that a reader can check by hand."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for example in examples("docs/api.md"):
        exec(compile(example, "docs/api.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "ap-northeast-1 │ 54000" in printed  # 150 hosts, 360 timestamps
    assert "\n24\n" in printed  # 12 processes, 2 timestamps
    assert "606 ['region', 'cell', 'silo']" in printed
    assert "{'metrics': 20, 'events': 5}" in printed
    assert "True 74880 fleetstream-7.json" in printed
    assert "True 74880 74880" in printed
    assert "True 74880 0" in printed
    assert "['testDb']" in printed
