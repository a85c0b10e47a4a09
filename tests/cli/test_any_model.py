"""Every command works with any model: small random ones, and one that is not about servers."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

import fleetstream
from fleetstream.cli import main
from fleetstream.model.loader import load_model
from tests.generate.models import toml
from tests.model.test_errors import SENSORS

NUMBERS = st.integers(-1_000, 1_000)
LAWS = st.one_of(
    st.tuples(NUMBERS, st.integers(0, 100)).map(
        lambda pair: {"law": "uniform", "low": pair[0], "high": pair[0] + pair[1]}
    ),
    st.tuples(NUMBERS, st.integers(0, 9)).map(
        lambda pair: {"law": "normal", "mean": pair[0], "sd": pair[1]}
    ),
)


@st.composite
def measures(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A few numbers, one that is calculated, perhaps integers, words, truth and times."""
    found: list[dict[str, Any]] = [
        {"name": f"m {n}", "value": draw(LAWS), "decimals": draw(st.integers(0, 4))}
        for n in range(draw(st.integers(1, 2)))
    ]
    found.append({"name": "base", "value": draw(LAWS), "decimals": 1})
    found.append({"name": "sum", "value": "base * 2 + min(base, 5)", "decimals": 2})
    if draw(st.booleans()):
        law = {"law": "integer", "low": -3, "high": draw(st.integers(-3, 10**6))}
        found.append({"name": "count", "type": "BIGINT", "value": law})
    if draw(st.booleans()):
        law = {"law": "choice", "shares": {'ü, =\\"': 0.5, "two words": 0.25, "x": 0.25}}
        found.append({"name": "state", "type": "VARCHAR", "value": law})
    if draw(st.booleans()):
        values = [{"law": "bernoulli", "probability": 0.3}, "base > 1", "sum"]
        found.append({"name": "on", "type": "BOOLEAN", "value": draw(st.sampled_from(values))})
    if draw(st.booleans()):
        values = [
            "time - 10 * base",
            {"law": "uniform", "low": 0, "high": 1.5e9},
            "-base",
        ]
        found.append({"name": "seen", "type": "TIMESTAMP", "value": draw(st.sampled_from(values))})
    return draw(st.permutations(found))


@st.composite
def models(draw: st.DrawFn) -> dict[str, Any]:
    """Up to three levels, and one or two kinds at any of them."""
    depth = draw(st.integers(1, 3))
    levels: list[dict[str, Any]] = []
    for n in range(depth):
        above = f"{{l{n - 1}}}/" if n else ""
        if draw(st.booleans()) or n:
            count = draw(st.sampled_from(["2", "size", "size // 2 + 1"]))
            levels.append({"name": f"l{n}", "count": count, "label": f"{above}{{l{n}.number:02}}"})
        else:
            names = draw(st.lists(st.sampled_from("äb-c.d e,f=g"), min_size=1, unique=True))
            levels.append({"name": f"l{n}", "members": [{"name": name} for name in names]})
    kinds = {}
    for key in ("one", "two")[: draw(st.integers(1, 2))]:
        level = draw(st.integers(0, depth - 1))
        dimensions = {f"d{n}": f"{{l{n}}}" for n in range(level + 1)}
        dimensions["constant of " + key] = "same"
        kinds[key] = {
            "noun": key,
            "level": f"l{level}",
            "dimensions": dimensions,
            "measures": draw(measures()),
        }
    model: dict[str, Any] = {"name": "any", "levels": levels, "kinds": kinds}
    model["parameters"] = {"size": {"default": 2, "minimum": 1, "maximum": 9}}
    model["shard_level"] = f"l{draw(st.integers(0, depth - 1))}"
    if draw(st.booleans()):
        model["partition"] = "d0"
    return model


@settings(max_examples=8)
@given(
    model=models(),
    size=st.integers(1, 4),
    record_model=st.sampled_from(["single", "multi"]),
    data=st.data(),
)
def test_any_model(
    model: dict[str, Any],
    size: int,
    record_model: str,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Written in parts with a filter, verified as a whole, previewed, estimated and plotted."""
    folder = tmp_path_factory.mktemp("any")
    file = folder / "any.toml"
    file.write_text(toml(model))
    values = fleetstream.series(model=str(file), set={"size": size})["d0"].unique().to_pylist()
    some = data.draw(st.lists(st.sampled_from(values), min_size=1, unique=True))
    fleet = {"model": str(file), "set": {"size": size}, "include": {"d0": some}}
    history = {"seed": 7, "start": "2026-11-01", "end": "2026-11-01T00:00:05", "interval": "1s"}
    target = {"to": f"duckdb:{folder}/any.duckdb", "record_model": record_model}
    rows = min(fleetstream.make_spec(**fleet, **history).generator().level_sizes.values())
    parts = [f"{n + 1}/{rows}" for n in range(rows)] if rows <= 3 else ["1/2", "2/2"]
    manifests = []
    for number, part in enumerate(parts):
        spec = fleetstream.make_spec(**fleet, **history, **target, shard=part)
        with fleetstream.new_run(spec, folder / f"{number}.json") as run:
            assert run.execute().delivered
        manifests.append(folder / f"{number}.json")
    assert fleetstream.verify_runs(*manifests).matches
    with duckdb.connect(f"{folder}/any.duckdb") as connection:
        held = connection.execute("SELECT count(*) FROM telemetry").fetchone()
    whole = fleetstream.make_spec(**fleet, **history).resolved().generator()
    per_series = {key: len(kind.measures) for key, kind in load_model(file).kinds.items()}
    expected = sum(
        len(table) * (per_series[key] if record_model == "single" else 1)
        for key, table in whole.tables.items()
    )
    assert held == (5 * expected,)

    settings_of_fleet = ["--model", str(file), "--set", f"size={size}"]
    assert main(["ingest", *settings_of_fleet, "--dry-run", "--format", "json", "--seed", "7"]) == 0
    assert main(["estimate", *settings_of_fleet, "--autostop", "2", "--seed", "7"]) == 0
    kind = data.draw(st.sampled_from(list(model["kinds"])))
    measure = data.draw(st.sampled_from(model["kinds"][kind]["measures"]))["name"]
    picture = ["--measure", f"{kind}.{measure}", "--duration", "3s", "--seed", "7"]
    assert main(["plot", *settings_of_fleet, *picture]) == 0
    assert main(["model", "show", str(file)]) == 0


@pytest.fixture
def sensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "sensors.toml"
    path.write_text(SENSORS.replace('name = "sensors"\n', 'name = "sensors"\npartition = "site"\n'))
    return path


def cli(*arguments: str) -> str:
    """What a command prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main(arguments) == 0
    return printed.getvalue()


FLEET = ("--set", "sensors=20", "--exclude", "sensor=north-3,south-1", "--seed", "7")
HISTORY = ("--start", "2026-11-01", "--end", "2026-11-01T00:01:00Z", "--interval", "10s")
RECORDS = 6 * (58 * 2 + 2)
"""Records of one minute under the single-measure model: sensors have two measures, sites one."""


def test_several_processes(sensors: Path) -> None:
    run = ("--model", str(sensors), *FLEET, *HISTORY, "--processes", "2")
    cli("ingest", *run, "--to", "parquet:lake", "--manifest", "run.json")
    assert "It matches." in cli("verify", "run.json")
    with duckdb.connect() as connection:
        counted = "SELECT site, count(*) FROM 'lake/**/*.parquet' GROUP BY ALL ORDER BY ALL"
        found = connection.execute(counted).fetchall()
    assert [site for site, _ in found] == ["north", "south"]
    assert sum(count for _, count in found) == RECORDS


def test_files_for_batch_load(sensors: Path) -> None:
    cli("ingest", "--model", str(sensors), *FLEET, *HISTORY, "--to", "csv:load")
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT count(*) FROM 'load/readings/*.csv'").fetchone()
    assert rows == (6 * 58 * 2,)
    document = json.loads(Path("load/states.data-model.json").read_bytes())["DataModel"]
    assert [each["SourceColumn"] for each in document["DimensionMappings"]] == ["site"]


@pytest.mark.xdist_group("moto")
def test_files_in_s3(sensors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        client = boto3.client("s3", region_name="us-east-1", endpoint_url=url)
        client.create_bucket(Bucket="lake")
        to = ("--to", "s3://lake/sensors", "-r", "us-east-1", "-url", url)
        cli("ingest", "--model", str(sensors), *FLEET, *HISTORY, *to, "--manifest", "run.json")
        assert "It matches." in cli("verify", "run.json")
    finally:
        server.stop()


def test_a_part_without_series(sensors: Path) -> None:
    """Parts of the sites, one of which has none of the sensors that are kept."""
    sensors.write_text(SENSORS.replace('shard_level = "sensor"', 'shard_level = "site"'))
    run = ("--model", str(sensors), "--include", "sensor=south-4", "--seed", "7", *HISTORY)
    for number, readings in (("1", 0), ("2", 6 * 2)):
        cli("ingest", *run, "--shard", f"{number}/2", "--manifest", f"{number}.json")
        with duckdb.connect("fleetstream.duckdb") as connection:
            held = connection.execute("SELECT count(*) FROM telemetry WHERE sensor IS NOT NULL")
            assert held.fetchone() == (readings,)
    assert "It matches." in cli("verify", "1.json", "2.json")


def test_a_kind_without_series(sensors: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Previews, plots and runs of what the filters leave."""
    text = SENSORS.replace('dimensions.site = "{site}"', 'dimensions.sensor = "{site}"')
    sensors.write_text(text)
    run = ("--model", str(sensors), "--include", "sensor=north", *FLEET[-2:])
    preview = json.loads(cli("ingest", *run, "--dry-run", "--format", "json"))
    assert (preview["readings"]["count"], preview["states"]["count"]) == (0, 1)
    cli("ingest", *run, *HISTORY, "--manifest", "run.json", "--report", "report.html")
    assert "It matches." in cli("verify", "run.json")
    cli("estimate", *run, "--autostop", "1")
    cli("plot", *run, "--measure", "up", "--duration", "5s")
    cli("model", "show", str(sensors), "--include", "sensor=north")
    with pytest.raises(SystemExit):
        main(["plot", *run, "--measure", "temperature"])
    assert "There are no series of the kind 'readings' to draw" in capsys.readouterr().err
