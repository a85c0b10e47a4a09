"""Limits of targets: what is refused before a run starts is what the target would refuse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.model import builtin_models, load_model
from fleetstream.run.options import make_spec
from fleetstream.run.runner import new_run
from fleetstream.targets.registry import TargetOptions, check_limits, targets
from tests.generate.models import model_of, toml
from tests.servers.emulator_process import EmulatorProcess

SINGLE, MULTI = RecordModel.SINGLE, RecordModel.MULTI
LAW = {"law": "uniform", "low": 0, "high": 1}
EVENTS = {"law": "exponential", "mean": 1}
Change = Callable[[dict[str, Any]], object]


def content() -> dict[str, Any]:
    """Two kinds of two series each."""
    return {
        "name": "small",
        "shard_level": "thing",
        "levels": [{"name": "thing", "count": "2", "label": "thing-{thing.index}"}],
        "kinds": {
            key: {
                "noun": key,
                "level": "thing",
                "dimensions": {"thing": "{thing}"},
                "measures": [{"name": f"{key}_size", "value": dict(LAW)}],
            }
            for key in ("first", "second")
        },
    }


def measures(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"name": f"m{n:04}", "value": dict(LAW), **fields} for n in range(count)]


def words(size: int) -> dict[str, Any]:
    """A VARCHAR measure with words of so many bytes."""
    return {"name": "w", "type": "VARCHAR", "value": {"law": "choice", "shares": {"x" * size: 1.0}}}


def first(model: dict[str, Any]) -> dict[str, Any]:
    kind: dict[str, Any] = model["kinds"]["first"]
    return kind


def series_of(size: int) -> Change:
    """Makes series whose dimensions have so many bytes together."""
    rest = size - len("thing" + "thing-0" + "long")
    return lambda m: first(m)["dimensions"].update(long="é" * (rest // 2) + "x" * (rest % 2))


TIMESTREAM: dict[str, tuple[RecordModel, Change, Change, str]] = {
    "dimensions": (
        SINGLE,
        lambda m: first(m)["dimensions"].update({f"d{n}": "a" for n in range(127)}),
        lambda m: first(m)["dimensions"].update({f"d{n}": "a" for n in range(128)}),
        "The model has 129 dimensions, but a table of Amazon Timestream has at most 128.",
    ),
    "bytes of a series": (
        SINGLE,
        series_of(2_020),
        series_of(2_049),
        "The dimensions of a series of the kind 'first' have 2,049 bytes",
    ),
    "bytes of a record": (
        SINGLE,
        lambda m: first(m).update(measures=[words(2_000)]),
        lambda m: first(m).update(measures=[words(2_040)]),
        "A record of the kind 'first' has up to 2,061 bytes",
    ),
    "bytes of a multi-measure record": (
        MULTI,
        lambda m: first(m).update(measures=measures(155)),
        lambda m: first(m).update(measures=measures(156)),
        "A record of the kind 'first' has up to 2,053 bytes, but Amazon Timestream takes at most 2",
    ),
    "measures of a record": (
        MULTI,
        lambda m: first(m).update(
            measures=[{"name": chr(0x4E00 + n), "value": LAW} for n in range(180)]
        ),
        lambda m: first(m).update(
            measures=[{"name": chr(0x4E00 + n), "value": LAW} for n in range(257)]
        ),
        "The kind 'first' has 257 measures, but a multi-measure record of Amazon Timestream has at",
    ),
    "length of a dimension's name": (
        SINGLE,
        lambda m: first(m)["dimensions"].update({"d" * 60: "a"}),
        lambda m: first(m)["dimensions"].update({"d" * 61: "a"}),
        "has a name of 61 bytes, but Amazon Timestream takes 1 to 60.",
    ),
    "length of a measure's name": (
        SINGLE,
        lambda m: first(m)["measures"][0].update(name="é" * 128),
        lambda m: first(m)["measures"][0].update(name="é" * 128 + "e"),
        "has a name of 257 bytes, but Amazon Timestream takes 1 to 256.",
    ),
    "reserved name": (
        SINGLE,
        lambda m: first(m)["dimensions"].update(tsx="a"),
        lambda m: first(m)["dimensions"].update(ts_x="a"),
        "The dimension 'ts_x' has a name that Amazon Timestream reserves",
    ),
    "colon in a name": (
        MULTI,
        lambda m: first(m)["measures"][0].update(name="a.b"),
        lambda m: first(m)["measures"][0].update(name="a:b"),
        "The measure 'a:b' has a name that Amazon Timestream reserves",
    ),
}


def problem(to: str, record_model: RecordModel, model: dict[str, Any]) -> str | None:
    found = targets()[to].problems
    assert found is not None
    return next(iter(found(Generator(model_of(model), 1), record_model)), None)


@pytest.mark.parametrize("case", TIMESTREAM)
def test_timestream_takes_what_is_within_its_limits(
    case: str, emulator: EmulatorProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And refuses what is beyond them, which is not even sent without being asked to."""
    record_model, within, beyond, message = TIMESTREAM[case]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.chdir(tmp_path)
    database = emulator.new_database()
    emulator.write.create_table(DatabaseName=database, TableName="things")

    def run(change: Change) -> bool:
        model = content()
        change(model)
        Path("small.toml").write_text(toml(model))
        spec = make_spec(
            model="small.toml", to="timestream", record_model=record_model, seed=7, autostop=1,
            region="us-east-1", endpoint_url=emulator.url, database_name=database,
            table_name="things",
        )  # fmt: skip
        with new_run(spec) as made:
            return made.execute().delivered

    assert run(within)
    with pytest.raises(ValueError) as caught:
        run(beyond)
    assert message in str(caught.value)
    monkeypatch.setattr("fleetstream.run.runner.check_limits", lambda *_: None)
    assert not run(beyond)


def test_numbers_of_measures_per_table() -> None:
    model = content()
    first(model)["measures"] = measures(8_192)
    assert problem("timestream", SINGLE, model) == (
        "The model has 8,193 measures, but a table of Amazon Timestream has at most 8,192 measure "
        "names."
    )
    first(model)["measures"] = measures(1_024)
    assert "1,025 measures, but a table" in str(problem("timestream", MULTI, model))
    assert problem("timestream", SINGLE, model) is None


OTHERS: list[tuple[str, RecordModel | None, Change, str]] = [
    ("influx", SINGLE, lambda m: first(m)["dimensions"].update(value="a"), "The dimension 'value'"),
    (
        "influx",
        None,
        lambda m: first(m)["dimensions"].update(_x="a"),
        "'_x' has a name that Influx",
    ),
    ("influx", None, lambda m: first(m)["measures"][0].update(name="a\nb"), "or have a line break"),
    (
        "influx",
        SINGLE,
        lambda m: first(m)["measures"][0].update(name="second_size", type="BIGINT"),
        "'second_size' is BIGINT in one kind and DOUBLE in another, but they share a field",
    ),
    ("parquet", None, lambda m: first(m)["dimensions"].update(day="a"), "have the name 'day' for"),
    *(
        (to, MULTI, change, message)
        for to in ("duckdb", "parquet", "s3", "influx", "timestream", "csv", "postgresql")
        for change, message in (
            (
                lambda m: first(m)["measures"][0].update(name="second_size", type="BIGINT"),
                "is BIGINT in one kind and DOUBLE in another, but they share a column of the table",
            ),
            (
                lambda m: first(m)["dimensions"].update(second_size="a"),
                "'second_size' is a dimension and a measure",
            ),
        )
    ),
    (
        "prometheus",
        None,
        lambda m: first(m)["dimensions"].update({"a-b": "a", "a.b": "a"}),
        "Two dimensions would be the label 'a_b' in Prometheus; rename 'a.b'.",
    ),
    (
        "prometheus",
        None,
        lambda m: first(m)["measures"].extend({"name": f"a{c}b", "value": dict(LAW)} for c in " -"),
        "Two measures would be the metric 'a_b' in Prometheus; rename 'a-b'.",
    ),
    (
        "otlp",
        None,
        lambda m: first(m).update(
            histograms=[{"name": "first_size", "buckets": [1], "rate": 1, "law": EVENTS}]
        ),
        "A measure and a histogram would both be the metric 'first_size'",
    ),
    (
        "postgresql",
        None,
        lambda m: first(m)["dimensions"].update({"d" * 64: "a"}),
        "distinguishes only 63 bytes of a name",
    ),
    (
        "postgresql",
        None,
        lambda m: first(m)["dimensions"].update(series_id="a"),
        "The tables in PostgreSQL have a column 'series_id' themselves",
    ),
    (
        "duckdb",
        None,
        lambda m: first(m)["dimensions"].update(Thing="a"),
        "'thing' and 'Thing' diff",
    ),
    (
        "duckdb",
        None,
        lambda m: first(m)["dimensions"].update(measure_name="a"),
        "has a column 'mea",
    ),
]


@pytest.mark.parametrize(("to", "record_model", "change", "message"), OTHERS)
def test_other_limits(
    to: str, record_model: RecordModel | None, change: Change, message: str
) -> None:
    model = content()
    assert all(problem(to, each, model) is None for each in RecordModel)
    change(model)
    for each in RecordModel:
        found = problem(to, each, model)
        if record_model in (None, each):
            assert message in str(found)
        elif to != "influx":
            assert found is None


@pytest.mark.parametrize("name", builtin_models())
def test_shipped_models_are_within_all_limits(name: str) -> None:
    made = Generator(load_model(name), 1)
    for scheme in targets():
        for record_model in RecordModel:
            check_limits(TargetOptions(to=f"{scheme}:x"), record_model, made)


def test_a_dry_run_says_so_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = content()
    first(model)["dimensions"]["Thing"] = "a"
    (tmp_path / "small.toml").write_text(toml(model))
    with pytest.raises(SystemExit):
        main(["ingest", "--model", str(tmp_path / "small.toml"), "--dry-run"])
    assert "Error: The names 'thing' and 'Thing' differ only in case" in capsys.readouterr().err
    assert main(["ingest", "--model", str(tmp_path / "small.toml"), "--dry-run", "--to=null:"]) == 0
