"""Model files: what is loaded, and one clear message about each thing that is wrong."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.generator import Generator
from fleetstream.model import DEFAULT_MODEL, Model, builtin_models, load_model
from tests.generate.models import TEXT, document, model_of, toml

Change = Callable[[dict[str, Any]], object]


def level(content: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in content["levels"] if each["name"] == name)


def metrics(content: dict[str, Any]) -> dict[str, Any]:
    kind: dict[str, Any] = content["kinds"]["metrics"]
    return kind


def law(content: dict[str, Any], **parameters: object) -> None:
    metrics(content)["measures"][1]["value"] = parameters


BAD: dict[str, tuple[Change, str]] = {
    "kind of an unknown level": (
        lambda d: metrics(d).update(level="host"),
        "kinds.metrics.level is 'host', but there is no such level",
    ),
    "unknown shard level": (
        lambda d: d.update(shard_level="host"),
        "shard_level is 'host', but there is no such level",
    ),
    "unknown partition": (
        lambda d: d.update(partition="zone"),
        "partition is 'zone', but there is no such dimension",
    ),
    "unknown name in a measure": (
        lambda d: metrics(d)["measures"][-1].update(value="1 + swap_used"),
        "'network_bytes_out' refers to 'swap_used', which is not defined",
    ),
    "unknown name in a count": (
        lambda d: level(d, "cell").update(count="region.size"),
        "'region.size' refers to 'region.size', which is not an integer of the model",
    ),
    "text in a count": (
        lambda d: level(d, "cell").update(count="region * 2"),
        "'region * 2' refers to 'region', which is not an integer of the model",
    ),
    "name of an inner level in an outer one": (
        lambda d: level(d, "cell").update(count="silo.index"),
        "'silo.index' refers to 'silo.index', which is not an integer of the model",
    ),
    "unknown name in a label": (
        lambda d: level(d, "cell").update(label="{cell}-{cell.number}"),
        "'{cell}-{cell.number}' refers to 'cell', which is not defined",
    ),
    "name below the level of the kind": (
        lambda d: metrics(d)["dimensions"].update(process="{process}"),
        "'{process}' refers to 'process', which is not defined",
    ),
    "attribute of an object in a template": (
        lambda d: metrics(d)["dimensions"].update(region="{region.__class__}"),
        "'{region.__class__}' refers to 'region.__class__', which is not defined",
    ),
    "attribute of an object in a title": (
        lambda d: metrics(d).update(title="{region.__class__}"),
        "'{region.__class__}' refers to 'region.__class__', which is not defined",
    ),
    "list in a template": (
        lambda d: metrics(d).update(title="{microservice.processes}"),
        "refers to 'microservice.processes', which is not defined",
    ),
    "broken template": (
        lambda d: metrics(d)["dimensions"].update(region="{region"),
        "'{region' is not a template",
    ),
    "cycle": (
        lambda d: metrics(d)["measures"][1].update(value="cpu_idle / 2"),
        "'cpu_system' refers to itself, through 'cpu_idle'",
    ),
    "code": (
        lambda d: metrics(d)["measures"][1].update(value="__import__('os')"),
        "\"__import__('os')\" is not allowed in an expression",
    ),
    "calculation with words": (
        lambda d: d["kinds"]["events"]["measures"][0].update(value="task_end_state + 1"),
        "'gc_reclaimed' calculates with 'task_end_state', which has no numbers",
    ),
    "members named by nothing": (
        lambda d: level(d, "process").update(members="microservice.daemons"),
        "members of the level 'process' are 'microservice.daemons', which is not an attribute",
    ),
    "members named by a text": (
        lambda d: level(d, "process").update(members="microservice.jdk_version"),
        "which is not an attribute of a level above that lists names",
    ),
    "members and a count": (
        lambda d: level(d, "region").update(count="1"),
        "the level 'region' needs either members or a count",
    ),
    "neither members nor a count": (
        lambda d: level(d, "region").pop("members"),
        "the level 'region' needs either members or a count",
    ),
    "count without a label": (
        lambda d: level(d, "cell").pop("label"),
        "the level 'cell' needs a label if and only if it has a count",
    ),
    "member without a name": (
        lambda d: level(d, "region")["members"][0].pop("name"),
        "each member of the level 'region' needs a name",
    ),
    "members of one name": (
        lambda d: level(d, "region")["members"].append(level(d, "region")["members"][0]),
        "two members of the level 'region' have the same name",
    ),
    "members of other attributes": (
        lambda d: level(d, "region")["members"][0].update(size=1),
        "the member 'us-east-2' of the level 'region' does not have the attribute 'size'",
    ),
    "attribute of two types": (
        lambda d: level(d, "region")["members"][0].update(cells="many"),
        "the attribute region.cells has values of different types",
    ),
    "list with a name twice": (
        lambda d: level(d, "microservice")["members"][0].update(processes=["server", "server"]),
        "the attribute microservice.processes lists a name twice",
    ),
    "attribute that every level has": (
        lambda d: [member.update(index=1) for member in level(d, "region")["members"]],
        "the level 'region' defines 'index' twice",
    ),
    "levels of one name": (
        lambda d: level(d, "cell").update(name="region"),
        "two levels or parameters have the name 'region'",
    ),
    "level with the name of a parameter": (
        lambda d: d["parameters"].update(cell={"default": 1, "minimum": 1, "maximum": 1}),
        "two levels or parameters have the name 'cell'",
    ),
    "level with a dot in its name": (
        lambda d: level(d, "process").update(name="a.b"),
        "a level has the name 'a.b', which must be letters and _",
    ),
    "measures of one name": (
        lambda d: metrics(d)["measures"][0].update(name="cpu_idle"),
        "need different names, but two have the name 'cpu_idle'",
    ),
    "measure with the name of a dimension": (
        lambda d: metrics(d)["measures"][-1].update(name="region"),
        "need different names, but two have the name 'region'",
    ),
    "measure named time": (
        lambda d: metrics(d)["measures"][-1].update(name="time"),
        "no dimension, variable or measure can have the name 'time'",
    ),
    "kind without measures": (
        lambda d: metrics(d).update(measures=[], variables=[]),
        "a kind needs at least one dimension and one measure",
    ),
    "no kinds": (lambda d: d.update(kinds={}), "a model needs at least one kind"),
    "no levels": (lambda d: d.update(levels=[]), "shard_level is 'instance'"),
    "shares below 1": (
        lambda d: law(d, law="mixture", low=0, high=1, parts=[{"share": 0.9, "of": UNIFORM}]),
        "the shares must be 0 or more and add up to 1",
    ),
    "shares of a choice above 1": (
        lambda d: d["kinds"]["events"]["measures"][-1]["value"]["shares"].update(LOST=0.1),
        "the shares must be 0 or more and add up to 1",
    ),
    "negative share": (
        lambda d: d["kinds"]["events"]["measures"][-1].update(
            value={"law": "choice", "shares": {"A": -0.5, "B": 1.5}}
        ),
        "the shares must be 0 or more and add up to 1",
    ),
    "share that is no number": (
        lambda d: d["kinds"]["events"]["measures"][-1].update(
            value={"law": "choice", "shares": {"A": float("nan"), "B": 1.0}}
        ),
        "the shares must be 0 or more and add up to 1",
    ),
    "low above high": (
        lambda d: law(d, law="uniform", low=2, high=1),
        "low is 2, but must not be above high, 1",
    ),
    "infinite bound": (
        lambda d: law(d, law="uniform", low=0, high=float("inf")),
        "expected a number <= 1e+15.",
    ),
    "bound that is no number": (
        lambda d: law(d, law="uniform", low=float("nan"), high=1),
        "expected a number >= -1e+15.",
    ),
    "negative deviation": (
        lambda d: law(d, law="normal", mean=0, sd=-1),
        "expected a number >= 0.",
    ),
    "unknown law": (
        lambda d: law(d, law="unifrom", low=0, high=1),
        "there is no law 'unifrom'; did you mean 'uniform'?",
    ),
    "no law": (lambda d: law(d, low=0, high=1), "the key 'law' is missing; it is one of uniform"),
    "misspelt key of a law": (
        lambda d: law(d, law="uniform", low=0, high=1, decimal=2),
        "there is no key 'decimal' here; choose from low, high, law.",
    ),
    "unknown type": (
        lambda d: metrics(d)["measures"][0].update(type="DUOBLE"),
        "there is no type 'DUOBLE'; did you mean 'DOUBLE'?",
    ),
    "words as numbers": (
        lambda d: law(d, law="choice", shares={"A": 1.0}),
        "'cpu_system' needs the type VARCHAR if and only if it has words or its law is a choice",
    ),
    "words twice": (
        lambda d: metrics(d)["measures"][1].update(type="VARCHAR", decimals=0, words=["a", "a"]),
        "the measure 'cpu_system' has a word twice",
    ),
    "words of a number": (
        lambda d: metrics(d)["measures"][1].update(words=["a", "b"]),
        "'cpu_system' needs the type VARCHAR if and only if it has words",
    ),
    "words beside a choice": (
        lambda d: (
            law(d, law="choice", shares={"A": 1.0}) or metrics(d)["measures"][1].update(words=["A"])
        ),
        "the measure 'cpu_system' has the words of its law",
    ),
    "calculating with words": (
        lambda d: (
            metrics(d)["measures"].append(
                {"name": "state", "type": "VARCHAR", "words": ["a"], "value": "0"}
            )
            or metrics(d)["measures"].append({"name": "more", "value": "state + 1"})
        ),
        "'more' calculates with 'state', which has no numbers",
    ),
    "fixed variable by expression": (
        lambda d: metrics(d)["variables"][0].update(value="disk_change"),
        "the fixed variable 'disk_base' needs a law that does not depend on time",
    ),
    "negative decimals": (
        lambda d: metrics(d)["variables"][1].update(decimals=-1),
        "the decimals of 'disk_change' must be from 0 to 12",
    ),
    "too many decimals": (
        lambda d: metrics(d)["measures"][1].update(decimals=13),
        "the decimals of 'cpu_system' must be from 0 to 12",
    ),
    "integer with decimals": (
        lambda d: metrics(d)["measures"][1].update(type="BIGINT"),
        "the BIGINT 'cpu_system' cannot have decimals",
    ),
    "truth with decimals": (
        lambda d: metrics(d)["measures"][1].update(type="BOOLEAN"),
        "the BOOLEAN 'cpu_system' cannot have decimals",
    ),
    "truth with bounds": (
        lambda d: metrics(d)["measures"][1].update(type="BOOLEAN", decimals=0, maximum=1),
        "the BOOLEAN 'cpu_system' has no minimum or maximum",
    ),
    "probability above 1": (
        lambda d: law(d, law="bernoulli", probability=1.5),
        "expected a number <= 1.",
    ),
    "birth without a life": (
        lambda d: metrics(d)["measures"][1].update(value="time - birth"),
        "'cpu_system' refers to 'birth', but no level of its series has a life",
    ),
    "a driver named like a clock": (
        lambda d: d.update(drivers={"time": {}}),
        "no driver can have the name 'time'",
    ),
    "a variable named like a clock": (
        lambda d: metrics(d)["variables"][0].update(name="birth"),
        "no dimension, variable or measure can have the name 'birth'",
    ),
    "a signal of truth": (
        lambda d: metrics(d)["measures"][0].update(type="BOOLEAN", decimals=0),
        "overlay.signal is 'cpu_user', but no measure of numbers has the name",
    ),
    "default out of range": (
        lambda d: d["parameters"]["host_scale"].update(default=0),
        "the default of a parameter must be from its minimum to its maximum",
    ),
    "unknown missing measure": (
        lambda d: d["overlay"]["missing"].append("cpu_gpu"),
        "overlay.missing has 'cpu_gpu', but there is no such measure",
    ),
    "unknown signal measure": (
        lambda d: d["overlay"].update(signal="cpu_gpu"),
        "overlay.signal is 'cpu_gpu', but no measure of numbers has the name",
    ),
    "signal of words": (
        lambda d: d["overlay"].update(signal="task_end_state"),
        "overlay.signal is 'task_end_state', but no measure of numbers has the name",
    ),
    "misspelt key": (
        lambda d: d.update(shard_levle="instance"),
        "there is no key 'shard_levle' here; did you mean 'shard_level'?",
    ),
    "missing key": (lambda d: d.pop("name"), "the key 'name' is missing."),
    "wrong type": (
        lambda d: d.update(name=3),
        'expected text, but this is an integer; write it in quotes, "3".',
    ),
}
UNIFORM = {"law": "uniform", "low": 0, "high": 1}


def message(path: Path) -> str:
    with pytest.raises(ValueError) as caught:
        load_model(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith((".", "?"))
    assert "$" not in text
    return text


@pytest.mark.parametrize("case", BAD)
def test_a_bad_model_file(case: str, tmp_path: Path) -> None:
    change, expected = BAD[case]
    content = document()
    change(content)
    path = tmp_path / "model.toml"
    path.write_text(toml(content))
    text = message(path)
    assert re.match(rf"{path}:\d+:\d+: \S", text)
    assert expected in text


@pytest.mark.parametrize(
    "content", [b"", b"name = ", b"\xff\xfe", b"a = 1\na = 2", b"name = 'x'\nlevels = 3"]
)
def test_a_file_that_is_no_model(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_bytes(content)
    assert re.match(rf"{path}:\d+:\d+: \S", message(path))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot be read: No such file or directory." in message(tmp_path / "model.toml")
    (tmp_path / "folder.toml").mkdir()
    assert "cannot be read: Is a directory." in message(tmp_path / "folder.toml")
    assert "cannot be read: embedded null byte." in message(Path("a\0b.toml"))


def test_an_unknown_name() -> None:
    with pytest.raises(
        ValueError, match=r"no model 'mars'; choose .*aws-devops, .*kubernetes.*, or name a file th"
    ):
        load_model("mars")


def test_models_by_name_and_by_path(tmp_path: Path) -> None:
    assert DEFAULT_MODEL in builtin_models()
    for name in builtin_models():
        assert load_model(name).name == name
    assert load_model() is load_model(DEFAULT_MODEL)
    path = tmp_path / "copy.toml"
    path.write_text(TEXT)
    assert load_model(path) == load_model(str(path)) == load_model()


def test_a_model_is_immutable() -> None:
    model = load_model()
    for part, name in ((model, "name"), (model.levels[0], "name"), (model.overlay, "signal")):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(part, name, "other")


GENERATED_ONLY: dict[str, tuple[Change, str]] = {
    "negative count": (
        lambda d: level(d, "cell").update(count="region.cells - 3"),
        "count 'region.cells - 3' of the level 'cell' is -2, but must be from 0 to 2,147,483,648.",
    ),
    "fraction as a count": (
        lambda d: level(d, "cell").update(count="region.cells / 2"),
        "'region.cells / 2' is no integer; write // for /, a product for **.",
    ),
    "division by zero": (
        lambda d: level(d, "cell").update(count="region.cells // (1 - 1)"),
        "'region.cells // (1 - 1)' cannot be calculated: divide by zero",
    ),
    "huge count": (
        lambda d: level(d, "cell").update(count="region.cells * 4000000000"),
        "of the level 'cell' is 60,000,000,000, but must be from 0 to 2,147,483,648.",
    ),
    "too many rows": (
        lambda d: level(d, "cell").update(count="2000000000"),
        "has 14,000,000,000 rows of the level 'cell', but one run takes at most 15,000,000",
    ),
    "series that are not distinct": (
        lambda d: metrics(d)["dimensions"].update(instance_name="{silo}", availability_zone="a"),
        "Two series of the kind 'metrics' have the same dimensions; add a dimension",
    ),
}


@pytest.mark.parametrize("case", GENERATED_ONLY)
def test_a_model_that_cannot_be_generated(case: str) -> None:
    change, expected = GENERATED_ONLY[case]
    content = document()
    change(content)
    with pytest.raises(ValueError, match=r"\.$") as caught:
        Generator(model_of(content), 1)
    assert expected in str(caught.value)


def test_a_fleet_too_large_for_one_run() -> None:
    with pytest.raises(ValueError, match=r"101,000,000 rows of the level 'instance'.*--shard"):
        Generator(load_model(), 1, parameters={"host_scale": 100_000})


def test_options_without_measures_to_apply_to() -> None:
    content = document()
    content["overlay"] = {}
    with pytest.raises(ValueError, match="does not say which measures a signal or missing values"):
        Generator(model_of(content), 1, missing_percent=1)


def _paths(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the texts and numbers of a document are."""
    if isinstance(content, dict | list):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        return [found for key, value in items for found in _paths(value, (*path, key))]
    return [path]


PATHS = _paths(document())
SCRIBBLES = st.one_of(
    st.text(max_size=12),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.sampled_from(["{region.__class__}", "__import__('os')", "1/0", "1 % 0", "a", "-1", "{a:9}"]),
    st.lists(st.text(max_size=3), max_size=2),
)


@given(st.sampled_from(PATHS), SCRIBBLES)
def test_a_scribbled_file_is_a_model_or_a_value_error(path: tuple[Any, ...], value: object) -> None:
    content = document()
    place: Any = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    # Small counts: what is looked for is not how long a large fleet takes.
    for each in content["levels"][0]["members"]:
        each |= {"cells": min(each["cells"], 2)} if isinstance(each["cells"], int) else {}
    try:
        generator = Generator(model_of(content), 1, include={"region": ["eu-central-1"]})
    except ValueError:
        return
    for batch in generator.batches([0]):
        batch.validate(full=True)


@given(
    path=st.sampled_from(PATHS),
    value=SCRIBBLES | st.dictionaries(st.text(max_size=3), st.integers()),
)
def test_each_scribble_that_is_no_model_has_a_position(
    path: tuple[Any, ...], value: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = document()
    place: Any = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file = tmp_path_factory.mktemp("scribble") / "model.toml"
    file.write_text(toml(content))
    try:
        assert isinstance(load_model(file), Model)
    except ValueError as error:
        assert re.match(rf"{file}:\d+:\d+: \S", str(error))  # noqa: PT017
