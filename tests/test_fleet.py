"""The fleet: the figures of the AWS sample tool, and filters that leave everything else alone."""

from collections import Counter
from collections.abc import Iterable
from functools import cache

import numpy as np
import pytest
from fleetstream.fleet import (
    HOST_DIMENSIONS,
    MAX_HOST_SCALE,
    PROCESS_DIMENSIONS,
    Fleet,
    Kind,
    SeriesTable,
    Shard,
)
from fleetstream.workload import Workload
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import Shape
from fleetstream.generate.signals import MICROSECONDS, Signal

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
    fleet = Fleet(host_scale)
    hosts, processes = expected(host_scale)
    assert rows(fleet.hosts) == hosts
    assert rows(fleet.processes) == processes
    assert len(set(hosts)) == len(hosts) == 1010 * host_scale
    assert len(set(processes)) == len(processes) == 1212 * host_scale


def test_silos_of_each_region() -> None:
    silos = Counter(region for region, _ in {(row[0], row[2]) for row in rows(Fleet().hosts)})
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
    assert len({row[1] for row in rows(Fleet().hosts)}) == 41


def test_dimension_names() -> None:
    place = ["region", "cell", "silo", "availability_zone", "microservice_name", "instance_name"]
    fleet = Fleet()
    assert fleet.hosts.dimensions.schema.names == [*place, "instance_type", "os_version"]
    assert fleet.processes.dimensions.schema.names == [*place, "process", "jdk_version"]
    assert [*HOST_DIMENSIONS] == fleet.hosts.dimensions.schema.names
    assert [*PROCESS_DIMENSIONS] == fleet.processes.dimensions.schema.names


def test_instance_names_grow_beyond_four_digits() -> None:
    fleet = Fleet(10_000, ["eu-central-1"], ["athena"])
    names = fleet.hosts.dimensions["instance_name"].to_pylist()
    assert names[42] == "i-AUa00Zt2-athena-0042.amazonaws.com"
    assert names[-1] == "i-AUa00Zt2-athena-9999.amazonaws.com"
    bigger = Fleet(10_000, ["eu-central-1"], ["apollo"])
    assert bigger.hosts.dimensions["instance_name"].to_pylist()[-1] == (
        "i-AUa00Zt2-apollo-29999.amazonaws.com"
    )


def test_zones_are_taken_in_turn() -> None:
    zones = Fleet(1, ["eu-central-1"], ["zeus"]).hosts.dimensions["availability_zone"]
    assert zones.to_pylist() == ["eu-central-1-1", "eu-central-1-2", "eu-central-1-3"]


@pytest.mark.parametrize("host_scale", [1, 3])
def test_numbers_are_places_in_the_unfiltered_fleet(host_scale: int) -> None:
    for table in Fleet(host_scale).tables.values():
        assert table.numbers.tolist() == list(range(table.unfiltered))
        assert table.numbers.dtype == np.int64


@given(SCALES, REGIONS, MICROSERVICES)
def test_filters_drop_rows_and_change_nothing_else(
    host_scale: int, regions: list[str], microservices: list[str]
) -> None:
    for kind, table in Fleet(host_scale, regions, microservices).tables.items():
        unfiltered = whole(host_scale, kind)
        assert table.unfiltered == len(unfiltered)
        kept = [
            series
            for series in unfiltered
            if series[2][0] in (regions or GEOGRAPHY)
            and series[2][4] in (microservices or SERVICES)
        ]
        assert list(listed(table)) == kept


Series = tuple[int, int, tuple[str, ...]]
"""Number, host number and dimension set."""


def listed(table: SeriesTable) -> Iterable[Series]:
    return zip(table.numbers.tolist(), table.hosts.tolist(), rows(table), strict=True)


@cache
def whole(host_scale: int, kind: Kind) -> list[Series]:
    """All series of the unfiltered fleet."""
    return list(listed(Fleet(host_scale).tables[kind]))


@given(SCALES, REGIONS, MICROSERVICES)
def test_each_process_belongs_to_its_host(
    host_scale: int, regions: list[str], microservices: list[str]
) -> None:
    fleet = Fleet(host_scale, regions, microservices)
    places = dict(zip(fleet.hosts.numbers.tolist(), rows(fleet.hosts), strict=True))
    for _, host, row in listed(fleet.processes):
        assert places[host][:6] == row[:6]


@given(REGIONS, MICROSERVICES)
def test_order_and_repetition_of_names_do_not_matter(
    regions: list[str], microservices: list[str]
) -> None:
    fleet = Fleet(1, regions, microservices)
    same = Fleet(1, [*reversed(regions), *regions], [*microservices, *microservices])
    assert fleet.identity == same.identity
    assert rows(fleet.hosts) == rows(same.hosts)


def test_naming_everything_is_naming_nothing() -> None:
    assert Fleet(1, list(GEOGRAPHY), list(SERVICES)).identity == Fleet().identity


def test_a_large_fleet_stays_small() -> None:
    fleet = Fleet(1_000, ["us-east-1", "eu-west-1"])
    assert len(fleet.hosts) == 650_000
    indices = len(fleet.hosts) * 4 * 8
    assert fleet.hosts.dimensions.nbytes < 1.1 * indices
    assert len(fleet.hosts.dimensions["silo"].unique()) == 65


@pytest.mark.parametrize("host_scale", [0, -1, MAX_HOST_SCALE + 1])
def test_host_scale_out_of_range(host_scale: int) -> None:
    with pytest.raises(ValueError, match=f"The host scale is {host_scale}, but must be from 1 to"):
        Fleet(host_scale)


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match=r"no region 'mars'; choose among ap-northeast-1, eu-cent"):
        Fleet(1, ["us-east-1", "mars"])
    with pytest.raises(ValueError, match=r"no microservice 'hera'; choose among apollo, athena, d"):
        Fleet(1, [], ["hera"])


def test_tables_are_in_the_order_of_a_sweep() -> None:
    assert list(Fleet().tables) == [Kind.METRICS, Kind.EVENTS]


@settings(max_examples=25)
@given(st.data())
def test_the_shards_of_a_fleet_are_the_whole_of_it(data: st.DataObject) -> None:
    """Each host is in one part, with its processes, and keeps its values there, bit for bit."""
    scale = data.draw(st.sampled_from([1, 1, 7]))
    regions = data.draw(st.lists(st.sampled_from(list(GEOGRAPHY)), max_size=2))
    services = data.draw(st.lists(st.sampled_from(list(SERVICES)), max_size=2))
    whole = Fleet(scale, regions, services)
    count = data.draw(st.integers(1, min(len(whole.hosts), 40)))
    signal = data.draw(st.sampled_from([None, Signal(Shape.SINE, 20, "h")]))
    missing = data.draw(st.sampled_from([0.0, 30.0]))
    timestamp = data.draw(st.integers(0, 4 * 10**9)) * MICROSECONDS

    def rows(fleet: Fleet) -> dict[bytes, list[tuple[object, ...]]]:
        found: dict[bytes, list[tuple[object, ...]]] = {}
        for batch in Workload(fleet, 7, signal, missing).sweep(timestamp):
            columns = [column.to_pylist() for column in batch.columns]
            found.setdefault(batch.schema.metadata[b"kind"], []).extend(zip(*columns, strict=True))
        return found

    parts = [Fleet(scale, regions, services, Shard(n + 1, count)) for n in range(count)]
    union: dict[bytes, list[tuple[object, ...]]] = {}
    for part in parts:
        for kind, found in rows(part).items():
            union.setdefault(kind, []).extend(found)
        assert set(part.processes.hosts) == set(part.hosts.numbers)
    assert union == rows(whole)
    sizes = [len(part.hosts) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("shard", "sentence"),
    [((0, 4), "no part 0 of 4"), ((5, 4), "no part 5 of 4"), ((1, 11), "too few for 11 parts")],
)
def test_parts_that_there_are_not(shard: tuple[int, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Fleet(1, ["eu-central-1"], (), Shard(*shard))
