"""The commands for models: list, show, check, new, schema."""

import json
import re
import subprocess
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fleetstream.cli import main
from fleetstream.model import builtin_models, load_model
from fleetstream.model.json_schema import model_schema, starting_point
from tests.generate.models import document, toml
from tests.model.test_errors import SENSORS
from tests.model.test_loading import BAD
from tests.terminal import FLEETSTREAM


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What a command prints, on one line where a terminal would wrap it."""
    try:
        ended = main(["model", *arguments])
    except SystemExit as end:
        ended = int(end.code or 0)
    assert ended == code
    captured = capsys.readouterr()
    return " ".join((captured.err if code else captured.out).split())


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """No text is wrapped."""
    monkeypatch.setenv("COLUMNS", "500")


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "list")
    assert all(name in text for name in builtin_models())
    assert "1,010 hosts, 1,212 processes; 26,260 values per sweep" in text


def test_show(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(SENSORS)
    text = said(capsys, "show", str(path), "--set", "sensors=5", "--exclude", "site=south")
    for part in (
        "sensors: 5 sensors, 1 states; 11 values per sweep",
        "sensors 3 1 to 100",
        "site 1 north, south",
        "sensor 5 site.size * sensors, named {site}-{sensor.number}",
        "readings: 5 sensors, one per row of the level sensor; 2 values each, in every sweep",
        "sensor 5 north-1, north-2, north-3, …",
        "temperature DOUBLE normal, mean 20, sd 3",
        "fahrenheit DOUBLE 32 + max(0, temperature) * 9 / 5",
        "up VARCHAR on 0.5, off 0.5",
    ):
        assert part in text


def test_show_what_changes_over_time(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "show", "kubernetes")
    assert "pod {deployment}-{pod.release}-{pod.id}, changes over time" in text
    text = said(capsys, "show", "web-shop")
    for name, driver in load_model("web-shop").drivers.items():
        assert f"{name} one {'per' if driver.level else 'for'} " in text
    for name, incident in load_model("web-shop").incidents.items():
        assert f"{name} each {incident.level} every {incident.every} on average" in text
    assert "in every sweep" in text


def test_show_what_histograms_and_summaries_are(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "show", "web-shop")
    shown = re.search(
        r"gc_pause_seconds_quantile_0_5 +DOUBLE s (summary, .* of sizes: logn\S+)", text
    )
    assert shown
    assert "gc_pause_seconds_count BIGINT as above" in text
    assert "request_duration_seconds_sum DOUBLE s as above" in text
    for internal in ("other_events", "in_bucket", "size_upto", "uneven"):
        assert internal not in text


def test_names_are_shown_whole_on_narrow_terminals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["model", "show", "kubernetes"]) == 0
    shown = capsys.readouterr().out
    firsts = "".join(line.partition("  ")[0].strip() for line in shown.splitlines())
    for kind in load_model("kubernetes").kinds.values():
        assert all(measure.name in firsts for measure in kind.measures)


@pytest.mark.parametrize("name", builtin_models())
def test_every_shipped_model_can_be_shown(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert said(capsys, "show", name).startswith(f"{name}: ")


def test_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    good, bad, huge = (tmp_path / f"{name}.toml" for name in ("good", "bad", "huge"))
    good.write_text(SENSORS)
    bad.write_text(SENSORS.replace("noun", "nuon").replace('"normal"', '"norml"'))
    huge.write_text(SENSORS.replace("site.size *", "100000000 *"))
    text = said(capsys, "check", str(good), "aws-devops")
    assert text.startswith(f"{good} is a valid model: 9 sensors, 2 states; 20 values per sweep.")
    text = said(capsys, "check", str(bad), str(good), str(huge), "no.toml", code=1)
    assert text.startswith(f"{bad}:22:1: there is no key 'nuon' here; did you mean 'noun'?")
    for part in (f"{bad}:28:17: ", f"{bad}:35:1: ", f"{huge}:18:9: ", "'no.toml' cannot be read: "):
        assert part in text


def test_new_writes_a_model_that_works_at_once(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        done = subprocess.run(
            [FLEETSTREAM, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert "fleetstream ingest --model my.toml" in run("model", "new", "my.toml")
    assert run("model", "check", "my.toml") == (
        "my.toml is a valid model: 50 sensors; 150 values per sweep.\n"
    )
    run("ingest", "--model", "my.toml", "--autostop", "2", "--seed", "7", "--set", "sensors=20")
    assert "It matches." in run("verify", "fleetstream-7.json")
    lines = [line for line in starting_point().splitlines() if line.strip(" ]})")]
    assert len(lines) <= 18


@pytest.mark.parametrize("name", builtin_models())
def test_a_copy_of_a_shipped_model_is_that_model(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "copy.toml"
    assert f"Wrote {path}." in said(capsys, "new", str(path), "--from", name)
    assert load_model(path) == load_model(name)


def test_a_copy_of_no_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "copy.toml"
    names = ", ".join(builtin_models())
    error = said(capsys, "new", str(path), "--from", "mars", code=2)
    assert f"There is no model 'mars'; choose from {names}." in error
    assert not path.exists()


def test_new_replaces_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text("x")
    assert "exists; name another file." in said(capsys, "new", str(path), code=2)
    assert path.read_text() == "x"
    assert "does not end with .toml" in said(capsys, "new", str(tmp_path / "my.json"), code=2)
    place = tmp_path / "no" / "my.toml"
    assert "cannot be written: No such file" in said(capsys, "new", str(place), code=2)


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert "required: ACTION" in said(capsys, code=2)
    text = said(capsys, "show", "aws-devops", "--host-scal", "2", code=2)
    assert "Did you mean --host-scale?" in text
    assert text.endswith("Try `fleetstream model show --help`.")
    assert "There is no model 'mars'; choose from anomalies, aws-devops" in said(
        capsys, "show", "mars", code=2
    )
    text = said(capsys, "show", "kubernets", code=2)
    assert "There is no model 'kubernets'; did you mean 'kubernetes'?" in text


def test_the_name_of_a_file_without_its_ending(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.toml").write_text(SENSORS)
    assert "There is no model 'my'; did you mean 'my.toml'?" in said(capsys, "check", "my", code=1)


def test_a_file_that_begins_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(f"\ufeff{SENSORS}")
    assert load_model(path) == load_model(Path(__file__).parents[1] / "model" / "sensors.toml")


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(model_schema()))
    jsonschema.Draft202012Validator.check_schema(model_schema())


VALIDATOR = jsonschema.Draft202012Validator(model_schema())


@pytest.mark.parametrize("text", [SENSORS, starting_point()], ids=["test", "start"])
def test_models_follow_the_schema(text: str) -> None:
    VALIDATOR.validate(tomllib.loads(text))


@pytest.mark.parametrize("name", builtin_models())
def test_shipped_models_follow_the_schema(name: str) -> None:
    path = files("fleetstream.model") / "builtin" / f"{name}.toml"
    VALIDATOR.validate(tomllib.loads(path.read_text()))


def test_the_schema_describes_every_key() -> None:
    """Editors show it beside the key; TOML has no null, so none is offered."""
    tables = {name: each for name, each in model_schema()["$defs"].items() if "properties" in each}
    for name, table in tables.items():
        for key, value in table["properties"].items():
            assert value["description"].endswith((".", "?")), (name, key)
    assert '"null"' not in json.dumps(model_schema())
    hold = tables["Life"]["properties"]["hold"]["description"]
    assert hold.startswith("Of the slots under one parent,")


TYPE_MISTAKES = ["misspelt key", "missing key", "wrong type", "unknown law", "unknown type"]
TYPE_MISTAKES += ["negative deviation", "misspelt key of a law", "infinite bound"]


@pytest.mark.parametrize("case", TYPE_MISTAKES)
def test_the_schema_finds_mistakes_of_types(case: str) -> None:
    content: dict[str, Any] = document()
    BAD[case][0](content)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(tomllib.loads(toml(content)))
