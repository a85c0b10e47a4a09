"""The examples of the pages on the local Timestream print what the pages say."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["local-unload.md"])
def test_examples_print_what_the_page_shows(
    page: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / page).read_text()
    pairs = re.findall(r"```python\n(.*?)```\n\nIt prints:\n\n```\n(.*?)```", text, re.DOTALL)
    assert pairs
    for code, printed in pairs:
        exec(compile(code, page, "exec"), {})
        assert capsys.readouterr().out == printed
