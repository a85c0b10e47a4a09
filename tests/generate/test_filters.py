"""Filters: which series are left, and that they keep their values."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import Shard
from fleetstream.generate.generator import Generator
from fleetstream.model import DEFAULT_MODEL, Model, builtin_models, load_model
from tests.generate.models import Cell, cells, document, model_of
from tests.telemetry import EVENTS, METRICS, MODEL, SECOND, TIMESTAMP

Row = dict[str, str]

EVERY: dict[str, list[str]] = {
    name: sorted(
        {
            value
            for table in Generator(MODEL, 1).tables.values()
            if name in table.dimensions.schema.names
            for value in table.dimensions[name].to_pylist()
        }
    )
    for name in MODEL.dimensions
}
"""All values of each dimension of the sample fleet."""


def rows(generator: Generator, kind: str) -> list[Row]:
    found: list[Row] = generator.tables[kind].dimensions.to_pylist()
    return found


@cache
def context() -> tuple[list[Row], list[Row]]:
    """All hosts and processes, each with everything that is known of it.

    A process has the dimensions of its host. A host has those of its processes that are the same
    for all of them.
    """
    whole = Generator(MODEL, 1)
    hosts, processes = rows(whole, METRICS), rows(whole, EVENTS)
    by_name = {(host["silo"], host["instance_name"]): host for host in hosts}
    joined = []
    for process in processes:
        host = by_name[process["silo"], process["instance_name"]]
        host["jdk_version"] = process["jdk_version"]
        joined.append(host | process)
    return hosts, joined


@st.composite
def filters(draw: st.DrawFn) -> dict[str, list[str]]:
    names = draw(st.lists(st.sampled_from(MODEL.dimensions), max_size=2, unique=True))
    sizes = {name: (len(EVERY[name]) // 2, len(EVERY[name])) for name in names}
    return {
        name: draw(
            st.lists(st.sampled_from(EVERY[name]), min_size=1, max_size=sizes[name][1], unique=True)
        )
        for name in names
    }


def made(**options: Any) -> Generator | str:
    """The sample fleet with some options, or why there is none."""
    try:
        return Generator(MODEL, 1, **options)
    except ValueError as error:
        return str(error)


def kept(
    row: Row, include: Mapping[str, Sequence[str]], exclude: Mapping[str, Sequence[str]]
) -> bool:
    return all(row[name] in values for name, values in include.items() if name in row) and not any(
        row[name] in values for name, values in exclude.items() if name in row
    )


@given(filters(), filters())
def test_what_is_left_is_what_has_the_values(
    include: dict[str, list[str]], exclude: dict[str, list[str]]
) -> None:
    expected = [[row for row in kind if kept(row, include, exclude)] for kind in context()]
    left = made(include=include, exclude=exclude)
    if isinstance(left, str):
        # Of two dimensions, one may have no row left with a value of the other.
        assert left.startswith(("The filters leave no series", "There is no "))
        return
    for kind, wanted in zip((METRICS, EVENTS), expected, strict=True):
        names = MODEL.kinds[kind].dimensions
        assert rows(left, kind) == [{name: row[name] for name in names} for row in wanted]


@settings(max_examples=5)
@given(st.sampled_from(["cell", "availability_zone", "instance_type", "process"]), st.data())
def test_filters_change_no_value(name: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.sampled_from(EVERY[name]), min_size=1, max_size=2))
    whole = whole_cells()
    for options in ({"include": {name: values}}, {"exclude": {name: values}}):
        part = cells(Generator(MODEL, 7, **options))
        assert part
        assert part.items() <= whole.items()


@cache
def whole_cells() -> dict[Cell, object]:
    return cells(Generator(MODEL, 7))


@pytest.mark.parametrize("name", [each for each in builtin_models() if each != DEFAULT_MODEL])
def test_filters_change_no_value_of_the_other_models(name: str) -> None:
    """Also where series come and go, follow the load of others, or have incidents."""
    model, hour = load_model(name), 3_600 * SECOND
    timestamps = [TIMESTAMP // hour * hour + hours * hour for hours in (0, 31)]
    whole = Generator(model, 7)
    all_cells = cells(whole, timestamps)
    changing = {each for kind in model.kinds.values() for each in model.changing_dimensions(kind)}
    for dimension in sorted(set(model.dimensions) - changing):
        columns = [table.dimensions for table in whole.tables.values()]
        columns = [each[dimension] for each in columns if dimension in each.schema.names]
        value = min(word for each in columns for word in each.to_pylist())
        part = cells(Generator(model, 7, include={dimension: [value]}), timestamps)
        assert part
        assert part.items() <= all_cells.items()


@pytest.mark.parametrize(
    ("include", "hosts", "processes"),
    [
        ({"process": ["server"]}, 1010, 1010),
        ({"process": ["host_manager"]}, 1010, 202),
        ({"instance_type": ["r5.4xlarge"]}, 505, 505),
        ({"jdk_version": ["JDK_8"]}, 404, 606),
        ({"availability_zone": ["eu-central-1-2"]}, 3, 3),
    ],
)
def test_kinds_without_the_dimension(
    include: dict[str, list[str]], hosts: int, processes: int
) -> None:
    tables = Generator(MODEL, 1, include=include).tables
    assert (len(tables[METRICS]), len(tables[EVENTS])) == (hosts, processes)


def two_templates() -> Model:
    """Hosts and processes whose dimension ``name`` comes from different templates."""
    content = document()
    content["kinds"][METRICS]["dimensions"]["name"] = "{instance}"
    content["kinds"][EVENTS]["dimensions"]["name"] = "{process}"
    return model_of(content)


def test_kinds_with_a_dimension_of_the_same_name_and_other_templates() -> None:
    model = two_templates()
    region = {"region": ["eu-central-1"]}
    tables = Generator(model, 1, include={**region, "name": ["server"]}).tables
    assert (len(tables[METRICS]), len(tables[EVENTS])) == (0, 10)
    tables = Generator(model, 1, include=region, exclude={"name": ["server"]}).tables
    assert (len(tables[METRICS]), len(tables[EVENTS])) == (10, 2)
    assert tables[EVENTS].titles(1) == ["eu-central-1-cell-1-silo-1 athena-0000 host_manager"]
    with pytest.raises(ValueError, match="There is no name 'serve'; did you mean 'server'"):
        Generator(model, 1, include={"name": ["serve"]})


def test_a_kind_of_series_that_come_and_go_can_be_left_out() -> None:
    model = load_model("kubernetes")
    every = Generator(model, 1).tables["deployment"].dimensions["namespace"].unique().to_pylist()
    left = Generator(model, 1, exclude={"namespace": every})
    assert {key: len(table) for key, table in left.tables.items()} == {
        "node": 12,
        "pod": 0,
        "deployment": 0,
    }
    assert left.dimensions("pod", TIMESTAMP).num_rows == 0
    assert left.dimensions("pod", TIMESTAMP).schema.names == list(model.kinds["pod"].dimensions)
    assert {batch.schema.metadata[b"kind"] for batch in left.batches([TIMESTAMP])} <= {b"node"}


def test_a_dimension_that_is_constant() -> None:
    content = document()
    content["kinds"][METRICS]["dimensions"]["stage"] = "test"
    model = model_of(content)
    assert Generator(model, 1, include={"stage": ["test"]}).series == 2222
    with pytest.raises(ValueError, match="The filters leave no series; name fewer or other values"):
        Generator(model, 1, exclude={"stage": ["test"]})
    with pytest.raises(ValueError, match="There is no stage 'prod'; choose from test"):
        Generator(model, 1, include={"stage": ["prod"]})


@settings(max_examples=15)
@given(filters(), st.integers(1, 5))
def test_the_parts_of_what_is_left_are_all_of_it(include: dict[str, list[str]], count: int) -> None:
    options: dict[str, Any] = {"include": include | {"region": ["us-west-1", "us-west-2"]}}
    options["exclude"] = {"microservice_name": ["zeus"]}
    whole = made(**options)
    if isinstance(whole, str) or len(whole.tables[METRICS]) < count:
        return
    parts = [Generator(MODEL, 1, **options, shard=Shard(n + 1, count)) for n in range(count)]
    for kind in (METRICS, EVENTS):
        assert [row for part in parts for row in rows(part, kind)] == rows(whole, kind)
    sizes = [len(part.tables[METRICS]) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_a_part_of_a_fleet_need_not_have_what_is_filtered_below_its_level() -> None:
    content = document()
    content["levels"].append(
        {"name": "thread", "count": "2", "label": "{process}-{silo}-{thread.index}"}
    )
    content["kinds"][EVENTS] |= {"level": "thread"}
    content["kinds"][EVENTS]["dimensions"]["thread"] = "{thread}"
    options: dict[str, Any] = {
        "include": {"thread": ["server-eu-central-1-cell-1-silo-1-0"], "region": ["eu-central-1"]}
    }
    made = [Generator(model_of(content), 1, **options, shard=Shard(n, 2)) for n in (1, 2)]
    assert [len(each.tables[EVENTS]) for each in made] == [5, 5]
    options["include"]["thread"] = ["host_manager-eu-central-1-cell-1-silo-1-0"]
    made = [Generator(model_of(content), 1, **options, shard=Shard(n, 10)) for n in range(1, 11)]
    assert sorted(len(each.tables[EVENTS]) for each in made) == [0] * 8 + [1, 1]
