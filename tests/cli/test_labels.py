"""Labels through the command line and the API."""

import contextlib
import csv
import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

import fleetstream
from fleetstream.cli import main

ROOT = Path(__file__).parents[2]
SHOP = ("--model", "web-shop", "--seed", "7")
DAY = {"start": "2026-11-02", "end": "2026-11-03", "interval": "1m"}
STRETCH = ("--start", "2026-11-02", "--end", "2026-11-03", "--interval", "1m")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def printed(*arguments: str) -> str:
    output = io.TextIOWrapper(io.BytesIO(), write_through=True)
    with contextlib.redirect_stdout(output):
        assert main(["labels", *arguments]) == 0
    output.seek(0)
    return output.read()


def test_the_page_shows_what_is_printed() -> None:
    text = (ROOT / "docs" / "incidents.md").read_text()
    commands = re.findall(r"\$ fleetstream labels (.*)\n((?:[^$].*\n|\n)+?)(?=\$|```)", text)
    assert len(commands) == 3
    for command, shown in commands:
        assert printed(*shlex.split(command)) == shown
    for example in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(example, "docs/incidents.md", "exec"), {})


def test_the_page_has_all_columns() -> None:
    text = (ROOT / "docs" / "incidents.md").read_text()
    table = text.split("| column | meaning |\n|---|---|\n")[1].split("\n\n")[0]
    names = [
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])
    ]
    assert names == fleetstream.labels(model="web-shop", seed=7, **DAY).column_names


def test_labels_name_the_measures_that_differ() -> None:
    found = fleetstream.labels(model="web-shop", seed=7, magnitudes=True, **DAY).to_pylist()
    spread = next(row for row in found if row["parent"] is not None)
    assert spread["incident"] == "slow-dependency"
    assert spread["measures"] == [
        "service.latency_p50",
        "service.latency_p99",
        "service.errors_per_second",
        "service.queue_depth",
    ]
    for row in found:
        differing = [each["measure"] for each in row["magnitudes"]]
        assert [name for name in row["measures"] if name in differing] == differing


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_labels_and_telemetry_are_joined_by_time_in_any_time_zone(zone: str) -> None:
    day: dict[str, Any] = {"model": "web-shop", "seed": 7, **DAY}
    tables = {
        "labels": fleetstream.labels(**day),
        "telemetry": fleetstream.telemetry("service", **day).read_all(),
        "points": fleetstream.point_labels("service", ["latency_p50"], **day).read_all(),
    }
    with duckdb.connect() as database:
        database.execute(f"SET TimeZone = '{zone}'")
        for name, table in tables.items():
            database.register(name, table)
        joined = database.execute("""
            SELECT DISTINCT time, region, service FROM telemetry JOIN labels
            ON time >= start AND time < "end" AND list_contains(measures, 'service.latency_p50')
            AND region = place['region'] AND service = coalesce(place['service'], service)
        """).fetchall()
        affected = database.execute(
            "SELECT time, region, service FROM points WHERE affected"
        ).fetchall()
    assert set(affected) <= set(joined)
    assert len(affected) > 0.95 * len(joined)


def test_all_forms_have_the_same_labels() -> None:
    table = fleetstream.labels(model="web-shop", seed=7, **DAY)
    assert table.num_rows > 10
    for suffix in ("csv", "json", "parquet"):
        assert printed(*SHOP, *STRETCH, "--out", f"labels.{suffix}") == ""
    assert pq.read_table("labels.parquet").equals(table)
    rows = json.loads(Path("labels.json").read_bytes())
    assert rows == json.loads(printed(*SHOP, *STRETCH, "--format", "json"))
    assert [row["id"] for row in rows] == table["id"].to_pylist()
    assert dict(table["place"][0].as_py()) == rows[0]["place"]
    with Path("labels.csv").open(newline="") as file:
        lines = [*csv.DictReader(file)]
    assert [row["id"] for row in lines] == table["id"].to_pylist()
    assert [row["measures"].split("; ") for row in lines] == table["measures"].to_pylist()
    assert f"{table.num_rows:,} incidents; times are UTC." in printed(*SHOP, *STRETCH)


def test_all_forms_have_the_same_magnitudes() -> None:
    run = {"model": "web-shop", "seed": 7, "start": "2026-11-02", "end": "2026-11-03"}
    table = fleetstream.labels(magnitudes=True, interval="1m", **run)
    assert table.drop_columns("magnitudes") == fleetstream.labels(interval="1m", **run)
    rows = table.to_pylist()
    assert all(row["magnitudes"] for row in rows)
    chosen = (*SHOP, *STRETCH, "--magnitudes")
    for suffix in ("csv", "json", "parquet"):
        assert printed(*chosen, "--out", f"labels.{suffix}") == ""
    assert pq.read_table("labels.parquet").equals(table)
    found = json.loads(Path("labels.json").read_bytes())
    assert [row["magnitudes"] for row in found] == [row["magnitudes"] for row in rows]
    with Path("labels.csv").open(newline="") as file:
        texts = [row["magnitudes"] for row in csv.DictReader(file)]
    alerts = json.loads(printed(*chosen, "--format", "alertmanager"))
    assert [each["annotations"]["magnitudes"] for each in alerts] == texts
    lines = [line[4:] for line in printed(*chosen).splitlines() if line.startswith("    ")]
    assert lines == [line for text in texts for line in text.split("; ")]
    first = rows[0]["magnitudes"][0]
    assert lines[0].startswith(f"{first['measure']}: {first['mean']:.6g} on average, ")
    gone = [each for row in rows for each in row["magnitudes"] if not each["points"]]
    assert gone
    assert f"{gone[0]['measure']}: {gone[0]['missing']} points missing" in lines


def test_points_of_the_api_and_of_all_forms() -> None:
    chosen = ("--points", "service.latency_p50,errors_per_second", "--include", "service=catalog")
    day = {"start": "2026-11-02", "end": "2026-11-03", "interval": "1m"}
    options: dict[str, Any] = {"model": "web-shop", "seed": 7, **day}
    measures = ["latency_p50", "errors_per_second"]
    points = fleetstream.point_labels("service", measures, include="service=catalog", **options)
    table = points.read_all()
    assert table.num_rows == 3 * 1_440 * 2
    assert printed(*SHOP, *STRETCH, *chosen, "--out", "points.parquet") == ""
    assert pq.read_table("points.parquet").equals(table)
    shown = printed(*SHOP, *STRETCH, *chosen)
    assert printed(*SHOP, *STRETCH, *chosen, "--out", "points.csv") == ""
    assert Path("points.csv").read_text() == shown
    rows = list(csv.DictReader(io.StringIO(shown)))
    assert [row["affected"] == "true" for row in rows] == table["affected"].to_pylist()
    assert [row["incidents"].split() for row in rows] == table["incidents"].to_pylist()
    values = [None if row["value"] == "" else float(row["value"]) for row in rows]
    assert values == table["value"].to_pylist()
    assert (rows[0]["time"], rows[-1]["time"]) == ("2026-11-02T00:00:00Z", "2026-11-02T23:59:00Z")
    known = fleetstream.labels(**options)["id"].to_pylist()
    named = {each for row in rows for each in row["incidents"].split()}
    assert named
    assert named <= set(known)


def test_a_kind_stands_for_its_measures_that_are_numbers() -> None:
    stretch = ("--start", "2026-11-02", "--end", "2026-11-02T00:02:00Z", "--interval", "1m")
    fleet = ("--seed", "7", "--include-region", "eu-central-1", *stretch)
    rows = list(csv.DictReader(io.StringIO(printed(*fleet, "--points", "events"))))
    numbers = ["task_completed", "gc_reclaimed", "gc_pause", "memory_free"]
    assert {row["measure"] for row in rows} == set(numbers)
    assert len(rows) == 2 * 12 * 4
    words = printed(*fleet, "--points", "task_end_state")
    assert {row["value"] for row in csv.DictReader(io.StringIO(words))} > {"USER_ERROR"}


def test_points_of_a_run_by_its_manifest() -> None:
    run = ("--seed", "7", "--to", "duckdb:shop.duckdb", "--manifest", "run.json")
    fleet = ("--model", "web-shop", "--start", "2026-11-02", "--end", "2026-11-02T02:00:00Z")
    assert main(["ingest", *run, *fleet, "--interval", "5m"]) == 0
    points = printed("run.json", "--points", "service.latency_p50")
    assert points == printed(
        "--seed", "7", *fleet, "--interval", "5m", "--points", "service.latency_p50"
    )
    assert points.count("\n") == 1 + 24 * 30


def test_labels_of_a_run_and_the_same_run_without_incidents() -> None:
    stretch = ("--start", "2026-11-02", "--end", "2026-11-02T04:00:00Z", "--interval", "5m")
    run = (*SHOP, *stretch, "--to", "duckdb:shop.duckdb")
    assert main(["ingest", *run, "--manifest", "with.json"]) == 0
    assert main(["verify", "with.json"]) == 0
    calm = ("--incidents", "off", "--table-name", "calm", "--manifest", "without.json")
    assert main(["ingest", *run, *calm]) == 0
    assert main(["verify", "without.json"]) == 0
    with_, without = json.loads(printed("with.json", "--format", "json")), printed("without.json")
    assert len(with_) > 5
    assert with_ == json.loads(printed(*SHOP, *stretch, "--format", "json"))
    assert without == "No incident happens in this time.\n"


LEAK = "memory-leak region=eu-central-1 service=checkout start=+10m for=30m severity=0.7"


def test_a_scheduled_incident_is_in_the_manifest_of_its_run() -> None:
    stretch = ("--start", "2026-11-02", "--end", "2026-11-02T01:00:00Z", "--interval", "5m")
    fleet = (*SHOP, *stretch, "--incidents", "scheduled", "--incident", LEAK)
    assert main(["ingest", *fleet, "--to", "duckdb:a.duckdb", "--manifest", "a.json"]) == 0
    assert main(["verify", "a.json"]) == 0
    labels = json.loads(printed("a.json", "--format", "json"))
    assert labels == json.loads(printed(*fleet, "--format", "json"))
    assert {(x["start"], x["end"], x["severity"]) for x in labels} == {
        ("2026-11-02T00:10:00Z", "2026-11-02T00:40:00Z", 0.7)
    }
    assert sorted(x["place"]["instance"] for x in labels) == [f"checkout-{n}" for n in range(4)]
    absolute = LEAK.replace("+10m", "2026-11-02T00:10:00Z")
    options = {"model": "web-shop", "seed": 7, "start": "2026-11-02", "end": "2026-11-02T01:00:00Z"}
    api = fleetstream.labels(incidents="scheduled", incident=[absolute, LEAK], **options)
    assert api["id"].to_pylist() == [x["id"] for x in labels]


def test_a_model_without_incidents(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", "--seed", "7", "--start", "1h"]) == 0
    assert "The model 'aws-devops' has no incidents" in capsys.readouterr().out
    calm = ("--model", "web-shop", "--seed", "7", "--start", "1h", "--incidents", "off")
    assert main(["labels", *calm]) == 0
    assert capsys.readouterr().out == "No incident happens in this time.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (SHOP, "describe the time with --model, --seed and --start"),
        ((*SHOP, *STRETCH, "--out", "labels.txt"), "does not end with one of .csv, .json"),
        ((*SHOP, "--start", "1h", "--incidents", "maybe"), "'maybe' is none of on, scheduled, off"),
        (
            (*SHOP, "--start", "1h", "--incident", LEAK.replace("memory-leak", "memory-leek")),
            "has no incident 'memory-leek'; did you mean 'memory-leak'?",
        ),
        (
            (*SHOP, "--start", "1h", "--incident", LEAK.replace("checkout", "check-out")),
            "There is no service 'check-out'; did you mean 'checkout'?",
        ),
        (
            (*SHOP, "--start", "1h", "--incident", LEAK.replace("start=+10m", "start=soon")),
            "'soon' is not a time",
        ),
        (("missing.json",), "missing.json"),
        ((*SHOP, *STRETCH, "--out", "nowhere/labels.csv"), "cannot be written to nowhere/labels"),
        ((*SHOP, *STRETCH, "--out", "nowhere/labels.parquet"), "cannot be written to nowhere"),
        ((*SHOP, *STRETCH, "--points", "latency"), "There is no measure 'latency'"),
        (
            (*SHOP, *STRETCH, "--points", "service.latency_p50,cpu_utilization"),
            "are not of one kind of series",
        ),
        ((*SHOP, *STRETCH, "--points", "service", "--out", "x.json"), "does not end with one of"),
        ((*SHOP, *STRETCH, "--points", "service", "--out", "no/x.csv"), "be written to no/x.csv"),
        ((*SHOP, *STRETCH, "--points", "service", "--format", "json"), "lists incidents"),
        (("missing.json", "--points", "service"), "missing.json"),
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
