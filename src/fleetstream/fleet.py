"""The fleet: who emits telemetry.

A fleet is regions → cells → silos → microservices → instances → processes. It is built once and
yields two dimension tables, :attr:`Fleet.hosts` and :attr:`Fleet.processes`, whose columns are
dictionary-encoded, so that a million hosts take some tens of megabytes.

Every host has a *number*: its place in the unfiltered fleet of the same host scale, in the order
region, cell, silo, microservice, instance. Processes are numbered likewise. Filters drop rows; they
never renumber the others, which is why a host keeps its values when its neighbours are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class Kind(StrEnum):
    """The two kinds of series: metrics of a host, events of a process."""

    METRICS = "metrics"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Region:
    """A region and how many cells and silos it has."""

    name: str
    cells: int
    silos_per_cell: int


@dataclass(frozen=True, slots=True)
class Microservice:
    """A microservice: what one silo runs of it at host scale 1."""

    name: str
    instances: int
    instance_type: str
    os_version: str
    processes: tuple[str, ...]
    jdk_version: str


REGIONS = (
    Region("us-east-1", 15, 3),
    Region("us-east-2", 2, 2),
    Region("us-west-1", 6, 2),
    Region("us-west-2", 2, 2),
    Region("eu-west-1", 10, 2),
    Region("ap-northeast-1", 5, 3),
    Region("eu-central-1", 1, 1),
)

MICROSERVICES = (
    Microservice("apollo", 3, "r5.4xlarge", "AL2", ("server",), "JDK_11"),
    Microservice("athena", 1, "m5.8xlarge", "AL2012", ("server", "host_manager"), "JDK_8"),
    Microservice("demeter", 1, "c5.16xlarge", "AL2012", ("server", "host_manager"), "JDK_8"),
    Microservice("hercules", 2, "r5.4xlarge", "AL2012", ("server",), "JDK_8"),
    Microservice("zeus", 3, "m5.4xlarge", "AL2", ("server",), "JDK_11"),
)

AVAILABILITY_ZONES = 3
"""Zones in a region; the instances of a microservice in a silo take them in turn."""

MAX_HOST_SCALE = 1_000_000
"""A billion hosts, of which one run takes a part."""

MAX_HOSTS = 10_100_000
"""Hosts in a run, at most: about what one machine's memory holds."""

HOST_DIMENSIONS = (
    "region",
    "cell",
    "silo",
    "availability_zone",
    "microservice_name",
    "instance_name",
    "instance_type",
    "os_version",
)
PROCESS_DIMENSIONS = (*HOST_DIMENSIONS[:6], "process", "jdk_version")

DIMENSIONS = {Kind.METRICS: HOST_DIMENSIONS, Kind.EVENTS: PROCESS_DIMENSIONS}

_Indices = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class SeriesTable:
    """The dimension sets of one kind of series, one row each, ordered by number.

    ``dimensions`` has eight ``dictionary<int32, string>`` columns; ``numbers`` holds each row's
    place among all series of the unfiltered fleet (int64, ascending), of which there are
    ``unfiltered``; ``hosts`` the number of the host that each row belongs to (int64; for metrics
    the same as ``numbers``).
    """

    kind: Kind
    dimensions: pa.RecordBatch
    numbers: npt.NDArray[np.int64]
    hosts: npt.NDArray[np.int64]
    unfiltered: int

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``count`` parts of a fleet that are as nearly equal as can be, ``number`` from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


class Fleet:
    """A fleet of servers.

    ``host_scale`` multiplies the instances of each microservice in each silo. ``regions`` and
    ``microservices`` name those to keep; empty keeps all. Order and repetition of the names do not
    matter. ``shard`` keeps one part of the hosts that are left, with their processes. Raises
    :class:`ValueError` with a sentence for what is out of range or an unknown name.
    """

    def __init__(
        self,
        host_scale: int = 1,
        regions: Sequence[str] = (),
        microservices: Sequence[str] = (),
        shard: Shard | None = None,
    ) -> None:
        if not 1 <= host_scale <= MAX_HOST_SCALE:
            raise ValueError(
                f"The host scale is {host_scale}, but must be from 1 to {MAX_HOST_SCALE:,}."
            )
        self.host_scale = host_scale
        self.regions = _chosen("region", regions, [region.name for region in REGIONS])
        self.microservices = _chosen(
            "microservice", microservices, [service.name for service in MICROSERVICES]
        )
        self.shard = shard
        self.hosts, self.processes = _build(self)

    @property
    def tables(self) -> dict[Kind, SeriesTable]:
        """Both dimension tables by kind, metrics first: the order of a sweep."""
        return {Kind.METRICS: self.hosts, Kind.EVENTS: self.processes}

    @property
    def identity(self) -> str:
        """What tells this fleet from others, in a word: two fleets with the same are equal."""
        regions = "+".join(self.regions) or "all"
        microservices = "+".join(self.microservices) or "all"
        return f"{self.host_scale}/{regions}/{microservices}/{self.shard or 'whole'}"


def _chosen(what: str, names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The names to keep, in the fleet's own order; empty where all are kept."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"There is no {what} {unknown[0]!r}; choose among {', '.join(sorted(known))}."
        )
    return () if set(names) == set(known) else tuple(name for name in known if name in names)


def _build(fleet: Fleet) -> tuple[SeriesTable, SeriesTable]:
    """Both dimension tables, from one silo's template repeated over all silos."""
    region_of_silo, cell_of_silo, cells, silos = _geography()
    instances = [service.instances * fleet.host_scale for service in MICROSERVICES]
    template_service = np.repeat(np.arange(len(MICROSERVICES), dtype=np.int32), instances)
    template_instance = np.concatenate([np.arange(count, dtype=np.int32) for count in instances])

    per_silo = len(template_service)
    silos_kept, places_kept = _wanted(fleet, region_of_silo, template_service)
    row = np.arange(*_part(fleet.shard or Shard(1, 1), len(silos_kept) * len(places_kept)))
    silo_row, place_row = np.divmod(row, len(places_kept))
    silo, within = silos_kept[silo_row], places_kept[place_row]
    service, instance = template_service[within], template_instance[within]
    host = silo * per_silo + within
    name, names = _instance_names(service, instance, instances, whole=fleet.shard is None)
    region = region_of_silo[silo]
    zones = [f"{r.name}-{zone + 1}" for r in REGIONS for zone in range(AVAILABILITY_ZONES)]
    place = {
        "region": _encode(region, [r.name for r in REGIONS]),
        "cell": _encode(cell_of_silo[silo], cells),
        "silo": _encode(silo, silos),
        "availability_zone": _encode(
            region * AVAILABILITY_ZONES + instance % AVAILABILITY_ZONES, zones
        ),
        "microservice_name": _encode(service, [m.name for m in MICROSERVICES]),
        "instance_name": _encode(name, names),
    }
    hosts = SeriesTable(
        Kind.METRICS,
        pa.record_batch(
            place
            | {
                "instance_type": _encode_words(service, [m.instance_type for m in MICROSERVICES]),
                "os_version": _encode_words(service, [m.os_version for m in MICROSERVICES]),
            }
        ),
        host,
        host,
        per_silo * len(silos),
    )
    return hosts, _processes(place, service, host, template_service, len(silos))


def _part(shard: Shard, hosts: int) -> tuple[int, int]:
    """The first of so many hosts that a shard keeps, and the one behind its last.

    Raises :class:`ValueError` with a sentence where there are none, or too many.
    """
    number, count = shard.number, shard.count
    if not 1 <= number <= count:
        raise ValueError(f"There is no part {number} of {count}; parts are numbered from 1.")
    if count > hosts:
        raise ValueError(
            f"The fleet has {hosts:,} hosts, too few for {count:,} parts; ask for fewer."
        )
    start, stop = hosts * (number - 1) // count, hosts * number // count
    if stop - start > MAX_HOSTS:
        raise ValueError(
            f"These are {stop - start:,} hosts, but one run takes at most {MAX_HOSTS:,}; lower the "
            "host scale, or give each of several runs a part of them with --shard."
        )
    return start, stop


def _instance_names(
    service: _Indices, instance: _Indices, instances: Sequence[int], *, whole: bool
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Each host's place among the names of the ``whole`` fleet, or of these hosts; the names."""
    first = np.concatenate([[0], np.cumsum(instances)])
    number = first[service] + instance
    used = np.full(first[-1], whole)
    used[number] = True
    numbers = np.flatnonzero(used)
    services = np.searchsorted(first, numbers, "right") - 1
    names = [
        f"i-AUa00Zt2-{MICROSERVICES[of].name}-{i:04d}.amazonaws.com"
        for of, i in zip(services.tolist(), (numbers - first[services]).tolist(), strict=True)
    ]
    return (np.cumsum(used) - 1)[number], names


def _processes(
    place: dict[str, pa.DictionaryArray],
    service: _Indices,
    host: npt.NDArray[np.int64],
    template_service: _Indices,
    silos: int,
) -> SeriesTable:
    """The table of processes: each host's row once for each process that it runs."""
    counts = np.array([len(m.processes) for m in MICROSERVICES], dtype=np.int32)
    row = np.repeat(np.arange(len(host), dtype=np.int32), counts[service])
    first_row = np.cumsum(counts[service]) - counts[service]
    position = np.arange(len(row), dtype=np.int32) - first_row[row].astype(np.int32)

    # A process's number counts the processes of all hosts before it in the unfiltered fleet.
    before_in_silo = np.cumsum(counts[template_service]) - counts[template_service]
    per_silo = int(counts[template_service].sum())
    silo, within = np.divmod(host, len(template_service))
    number = (silo * per_silo + before_in_silo[within])[row] + position

    first_process = np.cumsum(counts) - counts
    names = [process for m in MICROSERVICES for process in m.processes]
    columns = {name: column.take(pa.array(row)) for name, column in place.items()}
    columns["process"] = _encode_words(first_process[service][row] + position, names)
    columns["jdk_version"] = _encode_words(service[row], [m.jdk_version for m in MICROSERVICES])
    return SeriesTable(Kind.EVENTS, pa.record_batch(columns), number, host[row], per_silo * silos)


def _geography() -> tuple[_Indices, _Indices, list[str], list[str]]:
    """Region and cell of every silo, as indices, and the names of all cells and all silos."""
    regions, cells_of, cells, silos = [], [], [], []
    for index, region in enumerate(REGIONS):
        for cell in range(1, region.cells + 1):
            cells.append(f"{region.name}-cell-{cell}")
            for silo in range(1, region.silos_per_cell + 1):
                silos.append(f"{cells[-1]}-silo-{silo}")
                regions.append(index)
                cells_of.append(len(cells) - 1)
    return np.array(regions, np.int32), np.array(cells_of, np.int32), cells, silos


def _wanted(
    fleet: Fleet, region_of_silo: _Indices, service: _Indices
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which silos, and which places of a silo's template, the filters keep."""
    regions = np.array([not fleet.regions or r.name in fleet.regions for r in REGIONS])
    services = np.array(
        [not fleet.microservices or m.name in fleet.microservices for m in MICROSERVICES]
    )
    return np.flatnonzero(regions[region_of_silo]), np.flatnonzero(services[service])


def _encode(indices: npt.NDArray[np.integer], words: Sequence[str]) -> pa.DictionaryArray:
    """A dictionary-encoded column: ``words[indices]``; the words are distinct."""
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(words))


def _encode_words(indices: npt.NDArray[np.integer], words: Sequence[str]) -> pa.DictionaryArray:
    """The same for words that may repeat: a dictionary holds each only once."""
    distinct = list(dict.fromkeys(words))
    place = np.array([distinct.index(word) for word in words], np.int32)
    return _encode(place[indices], distinct)
