"""Shipped models, and those of the documentation, through whole runs."""

import re
import time
import tomllib
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import duckdb
import pytest

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from fleetstream.model import DEFAULT_MODEL, builtin_models
from tests.servers.emulator_process import EmulatorProcess
from tests.servers.influx_server import InfluxDB

ROOT = Path(__file__).parents[2]
MODELS = [name for name in builtin_models() if name != DEFAULT_MODEL]
TARGETS = ["duckdb", "parquet", "influx", "timestream"]
CASES = [
    (model, target, record_model)
    for (model, target), record_model in zip(
        [(model, target) for model in MODELS for target in TARGETS],
        cycle([RecordModel.SINGLE, RecordModel.MULTI, RecordModel.MULTI, RecordModel.SINGLE, None]),
        strict=False,
    )
]


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB]:
    with InfluxDB(tmp_path_factory.mktemp("influx")) as server:
        yield server


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")


@pytest.mark.parametrize(("model", "target", "record_model"), CASES)
def test_shipped_models_go_to_every_target_and_verify(
    request: pytest.FixtureRequest, model: str, target: str, record_model: RecordModel | None
) -> None:
    to = (f"{target}:{model}",)
    if target == "influx":
        server = request.getfixturevalue("influx")
        server.query(f'CREATE DATABASE "{model}"')
        to = (f"influx:{server.url}", "--database-name", model)
    if target == "timestream":
        emulator = request.getfixturevalue("emulator")
        assert isinstance(emulator, EmulatorProcess)
        database = emulator.new_database()
        emulator.write.create_table(DatabaseName=database, TableName="telemetry")
        to = ("timestream", "-r", "us-east-1", "-url", emulator.url, "-d", database)
        to = (*to, "-t", "telemetry")
    run = ("--model", model, "--seed", "7", "--record-model", record_model or RecordModel.MULTI)
    if model.startswith(DEFAULT_MODEL):
        run = (*run, "--include-region", "eu-central-1")
    stretch = ("--start", "-16m", "--interval", "1m", "--manifest", "run.json")
    assert main(["ingest", *run, *stretch, "--to", *to]) == 0
    assert main(["verify", "run.json"]) == 0


@pytest.mark.parametrize("option", ["--include", "--exclude"])
def test_a_run_of_some_instances(option: str) -> None:
    """Those of one release, which differ from the others in the version that they have."""
    run = ("--model", "web-shop", "--seed", "7", "--include", "region=eu-central-1")
    run = (*run, "--start", "2026-11-02T09:00", "--end", "2026-11-02T10:00", "--interval", "5m")
    run = (*run, "--record-model", "multi")
    assert main(["ingest", *run, "--to", "duckdb:whole.duckdb"]) == 0
    rows = "SELECT * FROM whole.telemetry WHERE version IS NULL OR version "
    with duckdb.connect() as connection:
        connection.execute("ATTACH 'whole.duckdb' AS whole (READ_ONLY)")
        query = (
            "SELECT version FROM whole.telemetry WHERE version IS NOT NULL ORDER BY hash(version)"
        )
        (version,) = connection.execute(query).fetchone() or ("",)
    part = (option, f"version={version}", "--to", "duckdb:part.duckdb", "--manifest", "run.json")
    assert main(["ingest", *run, *part]) == 0
    assert main(["verify", "run.json"]) == 0
    with duckdb.connect() as connection:
        connection.execute("ATTACH 'whole.duckdb' AS whole (READ_ONLY)")
        connection.execute("ATTACH 'part.duckdb' AS part (READ_ONLY)")
        wanted = rows + ("= ?" if option == "--include" else "<> ?")
        kept = connection.execute(wanted, [version]).fetchall()
        assert len(kept) < len(connection.execute("FROM whole.telemetry").fetchall())
        assert sorted(map(repr, kept)) == sorted(
            map(repr, connection.execute("FROM part.telemetry").fetchall())
        )


BRIEF = """
name = "brief"
shard_level = "task"

[[levels]]
name = "task"
count = "30"
label = "task-{task.index}"
life = { lifetime = "1s", releases = { level = "task", every = "2s", rollout = "100ms" } }

[kinds.task]
noun = "tasks"
level = "task"
dimensions = { task = "{task.id}", release = "{task.release}" }
measures = [
    { name = "ran", unit = "s", decimals = 3, value = "age" },
    { name = "done", type = "BIGINT", value = { law = "counter", rate = 100 } },
]
"""
"""Many of its series begin and end within a second."""


@pytest.mark.parametrize("model", ["iot-trucks", "kubernetes", "web-shop", "brief.toml"])
def test_a_live_run_and_history_agree(model: str) -> None:
    """Bit for bit, and so do two processes and a part of the series at a time."""
    Path("brief.toml").write_text(BRIEF)
    run = ("--model", model, "--seed", "7", "--interval", "200ms")
    assert main(["ingest", *run, "--autostop", "4", "--to", "duckdb:live.duckdb"]) == 0
    with duckdb.connect("live.duckdb") as connection:
        query = "SELECT epoch_ms(min(time)), epoch_ms(max(time)) FROM telemetry"
        first, last = connection.execute(query).fetchone() or (0, 0)
        if model == "brief.toml":
            query = "SELECT count(DISTINCT task) > 50 FROM telemetry"
            assert connection.execute(query).fetchone() == (True,)
    stretch = ("--start", _iso(first), "--end", _iso(last + 200))
    for number in ("1/2", "2/2"):
        part = ("--shard", number, "--to", "duckdb:past.duckdb")
        assert main(["ingest", *run, *stretch, *part]) == 0
    with duckdb.connect() as connection:
        connection.execute("ATTACH 'live.duckdb' AS live; ATTACH 'past.duckdb' AS past")
        for one, other in (("live", "past"), ("past", "live")):
            query = f"FROM (FROM {one}.telemetry EXCEPT ALL FROM {other}.telemetry)"
            assert connection.execute(f"SELECT count(*) {query}").fetchone() == (0,)


def _iso(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:03}Z"


def examples(language: str, page: str = "docs/models.md") -> list[str]:
    text = (ROOT / page).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_model_of_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = examples("toml", "README.md")
    Path("pumps.toml").write_text(text)
    stretch = ("--start", "2026-11-02", "--end", "2026-11-02T01:00", "--interval", "1m")
    assert main(["ingest", "--model", "pumps.toml", "--seed", "7", *stretch]) == 0
    assert main(["verify", "fleetstream-7.json"]) == 0
    assert "Compared 2,400 records" in capsys.readouterr().out
    assert main(["plot", "--model", "pumps.toml", "--seed", "7", "--duration", "3h"]) == 0


def test_the_tutorial(capsys: pytest.CaptureFixture[str]) -> None:
    names: list[str] = []
    for number, text in enumerate(examples("toml")):
        name = tomllib.loads(text)["name"]
        file = Path(f"{name}.toml" if name not in names else f"{name}{number}.toml")
        file.write_text(text)
        names.append(name)
        model = ("--model", str(file), "--seed", "7")
        stretch = ("--start", "2026-11-02", "--end", "2026-11-02T02:00:00Z", "--interval", "1m")
        manifest = ("--manifest", f"{number}.json", "--to", f"duckdb:{number}.duckdb")
        assert main(["ingest", *model, *stretch, *manifest]) == 0
        assert main(["verify", f"{number}.json"]) == 0
    assert names == [
        "pumps",
        "breakers",
        "zones",
        "mixed",
        "pumps",
        "noises",
        "api",
        "workers",
        "trackers",
        "doors",
    ]
    capsys.readouterr()
    for text in examples("python"):
        exec(compile(text, "docs/models.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "north   │     3 │  1080" in printed
    assert "south   │     5 │  1800" in printed
    assert "'us-east-1': 0.59" in printed
    assert re.search(r"false +│ +1.5 │ true", printed)
    assert re.search(r"true +│ +21.5 │ true", printed)
