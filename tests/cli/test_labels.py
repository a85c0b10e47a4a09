"""Labels through the command line and the API."""

import contextlib
import csv
import io
import json
import re
import shlex
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import fleetstream
from fleetstream.cli import main

ROOT = Path(__file__).parents[2]
SHOP = ("--model", "web-shop", "--seed", "7")
STRETCH = ("--start", "2026-11-02", "--end", "2026-11-03", "--interval", "1m")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def printed(*arguments: str) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert main(["labels", *arguments]) == 0
    return output.getvalue()


def test_the_page_shows_what_is_printed() -> None:
    text = (ROOT / "docs" / "incidents.md").read_text()
    command, shown = re.findall(r"\$ fleetstream (labels .*)\n((?:.*\n)*?)```", text)[0]
    assert printed(*shlex.split(command)[1:]) == shown
    for example in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(example, "docs/incidents.md", "exec"), {})


def test_all_forms_have_the_same_labels() -> None:
    table = fleetstream.labels(
        model="web-shop", seed=7, start="2026-11-02", end="2026-11-03", interval="1m"
    )
    assert table.num_rows > 10
    for suffix in ("csv", "json", "parquet"):
        assert printed(*SHOP, *STRETCH, "--out", f"labels.{suffix}") == ""
    assert pq.read_table("labels.parquet").equals(table)
    rows = json.loads(Path("labels.json").read_bytes())
    assert rows == json.loads(printed(*SHOP, *STRETCH, "--format", "json"))
    assert [row["id"] for row in rows] == table["id"].to_pylist()
    assert dict(table["place"][0].as_py()) == rows[0]["place"]
    with Path("labels.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == table["id"].to_pylist()
    assert f"{table.num_rows:,} incidents; times are UTC." in printed(*SHOP, *STRETCH)


def test_labels_of_a_run_and_the_same_run_without_incidents() -> None:
    run = (*SHOP, *STRETCH, "--to", "duckdb:shop.duckdb")
    assert main(["ingest", *run, "--manifest", "with.json"]) == 0
    assert main(["verify", "with.json"]) == 0
    calm = ("--incidents", "off", "--table-name", "calm", "--manifest", "without.json")
    assert main(["ingest", *run, *calm]) == 0
    assert main(["verify", "without.json"]) == 0
    with_, without = json.loads(printed("with.json", "--format", "json")), printed("without.json")
    assert with_ == json.loads(printed(*SHOP, *STRETCH, "--format", "json"))
    assert without == "No incident happens in this time.\n"


def test_a_model_without_incidents(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", "--seed", "7", "--start", "1h"]) == 0
    assert capsys.readouterr().out == "No incident happens in this time.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (SHOP, "describe the time with --model, --seed and --start"),
        ((*SHOP, *STRETCH, "--out", "labels.txt"), "does not end with one of .csv, .json"),
        ((*SHOP, "--start", "1h", "--incidents", "maybe"), "'maybe' is neither on nor off"),
        (("missing.json",), "missing.json"),
        ((*SHOP, *STRETCH, "--out", "nowhere/labels.csv"), "cannot be written to nowhere/labels"),
        ((*SHOP, *STRETCH, "--out", "nowhere/labels.parquet"), "cannot be written to nowhere"),
        ((*SHOP, "--start", "1h", "--follow"), "The run has no end; give --end or --autostop."),
    ],
)
def test_bad_input(
    arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["labels", *arguments])
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    assert code == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
