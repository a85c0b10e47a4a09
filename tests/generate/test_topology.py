"""The fleet: the figures of the AWS sample tool, and filters that leave everything else alone."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import Shape, Shard
from fleetstream.generate.generator import Generator
from fleetstream.generate.signals import Signal
from fleetstream.generate.topology import SeriesTable
from tests.telemetry import EVENTS, KINDS, METRICS, MODEL, SECOND, generator

GEOGRAPHY = {
    "us-east-1": (15, 3),
    "us-east-2": (2, 2),
    "us-west-1": (6, 2),
    "us-west-2": (2, 2),
    "eu-west-1": (10, 2),
    "ap-northeast-1": (5, 3),
    "eu-central-1": (1, 1),
}
"""Cells of each region, and silos of each of its cells."""

SERVICES = {
    "apollo": (3, "r5.4xlarge", "AL2", ["server"], "JDK_11"),
    "athena": (1, "m5.8xlarge", "AL2012", ["server", "host_manager"], "JDK_8"),
    "demeter": (1, "c5.16xlarge", "AL2012", ["server", "host_manager"], "JDK_8"),
    "hercules": (2, "r5.4xlarge", "AL2012", ["server"], "JDK_8"),
    "zeus": (3, "m5.4xlarge", "AL2", ["server"], "JDK_11"),
}
"""Instances in a silo, their type, system, processes and JDK."""

SCALES = st.integers(1, 3)
REGIONS = st.lists(st.sampled_from(list(GEOGRAPHY)), max_size=4)
MICROSERVICES = st.lists(st.sampled_from(list(SERVICES)), max_size=4)


def rows(table: SeriesTable) -> list[tuple[str, ...]]:
    """The dimension sets, in order."""
    return list(zip(*(column.to_pylist() for column in table.dimensions.columns), strict=True))


def expected(host_scale: int = 1) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """All hosts and all processes, one loop a level: slow, and plain to read."""
    hosts, processes = [], []
    for region, (cells, silos) in GEOGRAPHY.items():
        for cell in range(1, cells + 1):
            for silo in range(1, silos + 1):
                for service, (count, kind, system, names, jdk) in SERVICES.items():
                    for i in range(count * host_scale):
                        place = (
                            region,
                            f"{region}-cell-{cell}",
                            f"{region}-cell-{cell}-silo-{silo}",
                            f"{region}-{i % 3 + 1}",
                            service,
                            f"i-AUa00Zt2-{service}-{i:04}.amazonaws.com",
                        )
                        hosts.append((*place, kind, system))
                        processes += [(*place, name, jdk) for name in names]
    return hosts, processes


@pytest.mark.parametrize("host_scale", [1, 4])
def test_whole_fleet(host_scale: int) -> None:
    tables = generator(host_scale).tables
    hosts, processes = expected(host_scale)
    assert rows(tables[METRICS]) == hosts
    assert rows(tables[EVENTS]) == processes
    assert len(set(hosts)) == len(hosts) == 1010 * host_scale
    assert len(set(processes)) == len(processes) == 1212 * host_scale


def test_silos_of_each_region() -> None:
    hosts = rows(generator().tables[METRICS])
    silos = Counter(region for region, _ in {(row[0], row[2]) for row in hosts})
    assert silos == {
        "us-east-1": 45,
        "us-east-2": 4,
        "us-west-1": 12,
        "us-west-2": 4,
        "eu-west-1": 20,
        "ap-northeast-1": 15,
        "eu-central-1": 1,
    }
    assert silos.total() == 101
    assert len({row[1] for row in hosts}) == 41


def test_dimension_names() -> None:
    place = ["region", "cell", "silo", "availability_zone", "microservice_name", "instance_name"]
    tables = generator().tables
    assert tables[METRICS].dimensions.schema.names == [*place, "instance_type", "os_version"]
    assert tables[EVENTS].dimensions.schema.names == [*place, "process", "jdk_version"]


def test_titles() -> None:
    tables = generator(1, regions=["eu-central-1"]).tables
    silo = "eu-central-1-cell-1-silo-1"
    assert tables[METRICS].titles(4)[2:] == [f"{silo} apollo-0002", f"{silo} athena-0000"]
    assert tables[EVENTS].titles(5)[4] == f"{silo} athena-0000 host_manager"
    assert len(tables[METRICS].titles(1_000)) == 10


def names(host_scale: int, service: str) -> list[str]:
    table = generator(host_scale, regions=["eu-central-1"], services=[service]).tables[METRICS]
    found: list[str] = table.dimensions["instance_name"].to_pylist()
    return found


def test_instance_names_grow_beyond_four_digits() -> None:
    assert names(10_000, "athena")[42] == "i-AUa00Zt2-athena-0042.amazonaws.com"
    assert names(10_000, "athena")[-1] == "i-AUa00Zt2-athena-9999.amazonaws.com"
    assert names(10_000, "apollo")[-1] == "i-AUa00Zt2-apollo-29999.amazonaws.com"


def test_zones_are_taken_in_turn() -> None:
    table = generator(1, regions=["eu-central-1"], services=["zeus"]).tables[METRICS]
    zones = table.dimensions["availability_zone"].to_pylist()
    assert zones == ["eu-central-1-1", "eu-central-1-2", "eu-central-1-3"]


Series = tuple[int, tuple[str, ...]]
"""Identity and dimension values."""


def listed(table: SeriesTable) -> list[Series]:
    return list(zip(table.identities.tolist(), rows(table), strict=True))


@cache
def whole(host_scale: int, kind: str) -> list[Series]:
    """All series of the unfiltered fleet."""
    return listed(generator(host_scale).tables[kind])


@given(SCALES, REGIONS, MICROSERVICES)
def test_filters_drop_rows_and_change_nothing_else(
    host_scale: int, regions: list[str], microservices: list[str]
) -> None:
    for kind, table in generator(host_scale, 1, regions, microservices).tables.items():
        kept = [
            series
            for series in whole(host_scale, kind)
            if series[1][0] in (regions or GEOGRAPHY)
            and series[1][4] in (microservices or SERVICES)
        ]
        assert listed(table) == kept


@given(SCALES, REGIONS, MICROSERVICES)
def test_each_process_belongs_to_a_host(
    host_scale: int, regions: list[str], microservices: list[str]
) -> None:
    tables = generator(host_scale, 1, regions, microservices).tables
    assert {row[:6] for row in rows(tables[EVENTS])} == {row[:6] for row in rows(tables[METRICS])}


def test_identities_are_distinct() -> None:
    tables = generator(100).tables
    identities = np.concatenate([table.identities for table in tables.values()])
    assert len(np.unique(identities)) == 222_200


@given(REGIONS, MICROSERVICES)
def test_order_and_repetition_of_names_do_not_matter(
    regions: list[str], microservices: list[str]
) -> None:
    one = generator(1, 1, regions, microservices)
    same = generator(1, 1, [*reversed(regions), *regions], [*microservices, *microservices])
    for kind in KINDS:
        assert listed(one.tables[kind]) == listed(same.tables[kind])


def test_naming_everything_is_naming_nothing() -> None:
    everything = generator(1, 1, list(GEOGRAPHY), list(SERVICES))
    for kind in KINDS:
        assert listed(everything.tables[kind]) == whole(1, kind)


def test_a_large_fleet_stays_small() -> None:
    table = generator(1_000, regions=["us-east-1", "eu-west-1"]).tables[METRICS]
    assert len(table) == 650_000
    indices = len(table) * 4 * 8
    assert table.dimensions.nbytes < 1.1 * indices
    assert len(table.dimensions["silo"].unique()) == 65


@pytest.mark.parametrize("host_scale", [0, -1, 1_000_001])
def test_host_scale_out_of_range(host_scale: int) -> None:
    message = f"The host scale is {host_scale:,}, but must be from 1 to 1,000,000"
    with pytest.raises(ValueError, match=message):
        generator(host_scale)


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match=r"no region 'mars'; choose from us-east-1, us-east-2, us"):
        generator(1, 1, ["us-east-1", "mars"])
    with pytest.raises(
        ValueError, match=r"no microservice_name 'hera'; choose from apollo, athena"
    ):
        generator(1, 1, [], ["hera"])
    with pytest.raises(
        ValueError, match=r"There is no region 'eu-cental-1'; did you mean 'eu-central-1'"
    ):
        generator(1, 1, ["eu-cental-1"])
    with pytest.raises(ValueError, match=r"no dimension .microservice.; did you"):
        Generator(MODEL, 1, include={"microservice": ["athena"]})
    with pytest.raises(ValueError, match="has no parameter 'scale'; choose from host_scale"):
        Generator(MODEL, 1, parameters={"scale": 2})


def test_tables_are_in_the_order_of_the_model() -> None:
    assert list(generator().tables) == [METRICS, EVENTS]


@settings(max_examples=25)
@given(st.data())
def test_the_shards_of_a_fleet_are_the_whole_of_it(data: st.DataObject) -> None:
    """Each host is in one part, with its processes, and keeps its values there, bit for bit."""
    scale = data.draw(st.sampled_from([1, 1, 7]))
    regions = data.draw(st.lists(st.sampled_from(list(GEOGRAPHY)), max_size=2))
    services = data.draw(st.lists(st.sampled_from(list(SERVICES)), max_size=2))
    signal = data.draw(st.sampled_from([None, Signal(Shape.SINE, 20, "h")]))
    missing = data.draw(st.sampled_from([0.0, 30.0]))
    timestamp = data.draw(st.integers(0, 4 * 10**9)) * SECOND

    def part(shard: Shard | None) -> Generator:
        options = {"shard": shard, "signal": signal, "missing_percent": missing}
        return generator(scale, 7, regions, services, **options)

    def values(made: Generator) -> dict[str, list[tuple[object, ...]]]:
        found: dict[str, list[tuple[object, ...]]] = {kind: [] for kind in KINDS}
        for chunk, batch in zip(made.chunks, made.batches([timestamp]), strict=True):
            columns = [column.to_pylist() for column in batch.columns]
            found[chunk.kind].extend(zip(*columns, strict=True))
        return found

    whole = part(None)
    count = data.draw(st.integers(1, min(len(whole.tables[METRICS]), 40)))
    parts = [part(Shard(number + 1, count)) for number in range(count)]
    union: dict[str, list[tuple[object, ...]]] = {kind: [] for kind in KINDS}
    for each in parts:
        for kind, found in values(each).items():
            union[kind].extend(found)
        hosts = {row[:6] for row in rows(each.tables[METRICS])}
        assert {row[:6] for row in rows(each.tables[EVENTS])} == hosts
    assert union == values(whole)
    sizes = [len(each.tables[METRICS]) for each in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("shard", "message"),
    [((0, 4), "no part 0 of 4"), ((5, 4), "no part 5 of 4"), ((1, 11), "too few for 11 parts")],
)
def test_impossible_parts(shard: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generator(1, regions=["eu-central-1"], shard=Shard(*shard))
