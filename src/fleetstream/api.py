"""The Python API: what the command line does, as functions.

Options have the names of the command line with underscores, and text is read as there: ``seed=7,
start="-1h", interval="10s", host_scale=2``. All functions raise ValueError for what
is unknown or contradictory, and TargetUnusable for a target that cannot be used.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from fleetstream.generate.choices import IncidentChoice
from fleetstream.generate.generator import Generator
from fleetstream.generate.labels import Label
from fleetstream.generate.moments import now
from fleetstream.model import DataType
from fleetstream.model.datatypes import TIMESTAMPS
from fleetstream.run.control import Control
from fleetstream.run.interruptible import interruptible
from fleetstream.run.manifest import Manifest, read_manifest
from fleetstream.run.options import make_spec
from fleetstream.run.schedule import planned_timestamps
from fleetstream.run.spec import RunSpec
from fleetstream.targets.registry import TargetOptions, open_reader

if TYPE_CHECKING:
    from fleetstream.targets.timestream.estimate import Estimate
    from fleetstream.verify import Expectation, Findings, MigrationFindings


LABEL_COLUMNS = {
    "id": pa.string(),
    "incident": pa.string(),
    "place": pa.map_(pa.string(), pa.string()),
    "start": TIMESTAMPS,
    "end": TIMESTAMPS,
    "severity": pa.float64(),
    "effects": pa.list_(pa.string()),
    "directions": pa.list_(pa.string()),
    "parent": pa.string(),
    "root": pa.string(),
    "cause": pa.map_(pa.string(), pa.string()),
    "description": pa.string(),
}
"""The columns of :func:`labels` that are fields of labels."""

MAGNITUDES = pa.list_(
    pa.struct(
        {
            "measure": pa.string(),
            "points": pa.int64(),
            "missing": pa.int64(),
            "mean": pa.float64(),
            "lowest": pa.float64(),
            "highest": pa.float64(),
        }
    )
)
"""The column ``magnitudes`` of :func:`labels`."""


def series(kind: str | None = None, **options: Any) -> pa.Table:
    """The series of a kind, by default the model's first: one row each, one column per dimension.

    Where series come and go, they are those that are alive at ``start``, by default now.

    ``options`` are those that choose the fleet, such as ``host_scale=2``.
    """
    spec = make_spec(**options).resolved()
    generator = spec.generator()
    moment = now() if spec.start is None else spec.start
    return pa.Table.from_batches([generator.dimensions(_kind(generator, kind), moment)])


def telemetry(kind: str | None = None, **options: Any) -> pa.RecordBatchReader:
    """The telemetry of a stretch of time, generated while it is read.

    Each batch has one row per series and timestamp: its dimensions, ``time``, and its measures.
    ``kind`` is one of the model's kinds, by default the first. ``options`` are those of a run;
    ``start`` and ``end``, or ``autostop``, limit it. DuckDB, Polars and pandas can read the result.
    """
    spec = make_spec(**options).resolved()
    timestamps = planned_timestamps(spec)
    generator = spec.generator()
    name = _kind(generator, kind)
    chunks = [chunk for chunk in generator.chunks if chunk.kind == name]

    def batches() -> Iterator[pa.RecordBatch]:
        size = generator.timestamps_per_batch()
        for first in range(0, len(timestamps), size):
            yield from generator.batches(timestamps[first : first + size], chunks)

    return pa.RecordBatchReader.from_batches(generator.schemas[name], batches())


def point_labels(
    kind: str | None = None,
    measures: Sequence[str] | None = None,
    *,
    manifest: Path | str | Manifest | None = None,
    **options: Any,
) -> pa.RecordBatchReader:
    """Which values of a stretch of time incidents change, generated while it is read.

    There is one row per timestamp, series and measure: the dimensions, ``time``, ``measure``,
    ``value``, ``without_incidents`` (the value that ``incidents="off"`` gives), ``affected``
    (whether the two differ), and ``incidents`` (the ids of those that happen to an affected point
    and act on its measure, as in :func:`labels`). A missing value is null and differs from any
    other. Values are doubles (truth 1 or 0, times in seconds of Unix time), or strings where the
    measures are words.

    ``kind`` and ``options`` are as for :func:`telemetry`; ``measures`` are names of the kind's
    measures, by default all but words. A ``manifest`` takes the place of options.
    """
    from fleetstream.generate.points import PointLabels

    read = _manifest(manifest, options)
    spec = make_spec(**options).resolved() if read is None else read.spec
    generator = spec.generator()
    name = _kind(generator, kind)
    if measures is None:
        described = generator.model.kinds[name].measures
        measures = [each.name for each in described if each.type is not DataType.VARCHAR]
    calm = msgspec.structs.replace(spec, incidents=IncidentChoice.OFF).generator()
    points = PointLabels(generator, calm, name, measures)
    timestamps = planned_timestamps(spec) if read is None else _timestamps(read)
    return pa.RecordBatchReader.from_batches(points.schema, points.batches(timestamps))


def labels(
    manifest: Path | str | Manifest | None = None, *, magnitudes: bool = False, **options: Any
) -> pa.Table:
    """The incidents of a stretch of time, without generating values.

    They are ordered by start, of those with the same start by name and place.

    The stretch is that of the run of a ``manifest`` (or its file), or from ``start`` to ``end`` of
    the options, which also name model and seed. There is one row per incident: ``id``, ``incident``
    (its name in the model), ``place`` (a map of levels and texts), ``start`` and ``end`` (UTC,
    without a time zone as in telemetry; the first moment that is not affected), ``severity`` (0–1),
    ``effects`` (a list of texts), ``directions`` (for each effect ``up``, ``down``, ``both``,
    ``replaced`` or ``missing``), ``parent`` (the id of the incident that it has spread from
    directly, null if from none), ``root`` and ``cause`` (id and place of the incident where it
    began, which may be itself), ``description``, and ``measures`` (a list of those that may differ,
    such as ``service.latency_p50``: the targets of its effects, and what is calculated from these).

    With ``magnitudes``, the values of the affected series at the timestamps of the stretch are
    generated with and without incidents, and the column ``magnitudes`` says how they differ: a list
    with, for each ``measure`` that the incident changes (such as ``service.latency_p50``), the
    number of ``points`` during the incident, how many more are ``missing`` because of it, the
    ``mean`` absolute difference, and the ``lowest`` and ``highest`` difference. Where incidents
    overlap, the differences are those of all of them together.
    """
    read = _manifest(manifest, options)
    if read is None:
        spec = make_spec(**options).resolved()
        stretch = planned_timestamps(spec)
        begin, end = stretch.start, stretch.stop
    else:
        spec, end = read.spec, read.last + 1
        begin = min([*(each.first for each in read.swept[:1]), *read.unsettled], default=end)
    generator = spec.generator()
    found = generator.labels(begin, end) if begin < end else []
    found.sort(key=attrgetter("start", "incident", "row"))
    columns = {
        name: pa.array([_plain(getattr(label, name)) for label in found], kind)
        for name, kind in LABEL_COLUMNS.items()
    }
    columns["measures"] = pa.array(_measures(generator, found), pa.list_(pa.string()))
    if magnitudes:
        timestamps = planned_timestamps(spec) if read is None else _timestamps(read)
        columns["magnitudes"] = _magnitudes(generator, found, timestamps)
    return pa.table(columns)


def _measures(generator: Generator, found: Sequence[Label]) -> list[list[str]]:
    """The measures that each label's incident acts on, named with their kind, in their order."""
    from fleetstream.generate.points import reached_by_incident

    kinds = generator.model.kinds
    reached = {key: reached_by_incident(generator.model, key) for key in kinds}
    names = {
        place: [
            f"{key}.{measure.name}"
            for key, kind in kinds.items()
            for measure in kind.measures
            if measure.name in reached[key].get(place, ())
        ]
        for place in {(label.incident, label.spread) for label in found}
    }
    return [names[label.incident, label.spread] for label in found]


def _magnitudes(
    generator: Generator, found: Sequence[Label], timestamps: Sequence[int]
) -> pa.Array:
    """The magnitudes of each label."""
    from fleetstream.generate.magnitudes import magnitudes

    known = magnitudes(generator, found, timestamps)
    names = [field.name for field in MAGNITUDES.value_type]
    rows = [
        [{name: getattr(each, name) for name in names} for each in known[label.id]]
        for label in found
    ]
    return pa.array(rows, MAGNITUDES)


def _timestamps(manifest: Manifest) -> Sequence[int]:
    """The timestamps of a run that had begun."""
    return sorted([*manifest.timestamps(), *manifest.unsettled])


def _manifest(given: Path | str | Manifest | None, options: dict[str, Any]) -> Manifest | None:
    """A manifest, or the one in a file; None where options take its place."""
    read = given if given is None or isinstance(given, Manifest) else read_manifest(Path(given))
    if read is not None and options:
        raise ValueError("A manifest has all options of its run; give either it or options.")
    return read


def _plain(value: Any) -> Any:
    """A field of a label as Arrow takes it."""
    return list(value.items()) if isinstance(value, dict) else value


def verify_runs(
    *manifests: Path | str | Manifest,
    target: TargetOptions | None = None,
    control: Control | None = None,
    progress: Callable[[int], Any] = lambda _values: None,
) -> "Findings":
    """Compare what a target holds with what runs must have written, value by value.

    ``manifests`` are those of the runs, or their files; ``target`` is where to look, by default
    where the first run wrote. ``progress`` is called with the number of values compared since the
    last call, and ``control`` can stop it.
    """
    from fleetstream.verify import verify

    expectation, read = _expected(manifests)
    place, columns = target or read[0].spec.target, expectation.columns
    reader = interruptible(lambda: open_reader(place, columns.model, columns.schemas))
    interruptible(reader.open)
    with closing(reader):
        return verify(expectation, reader, control or Control(), progress)


def compare(
    *manifests: Path | str | Manifest,
    destination: TargetOptions,
    source: TargetOptions | None = None,
    layout: str | None = None,
    control: Control | None = None,
    progress: Callable[[int], Any] = lambda _values: None,
) -> "MigrationFindings":
    """Compare what two targets hold of the same runs, value by value; changes neither.

    ``manifests`` are those of the runs, or their files. ``source`` is by default where the first
    run wrote. ``layout`` is that of the destination, if it is not the one that fleetstream writes:
    ``"aws"`` is what AWS's migration scripts write. ``progress`` is called with the number of
    values compared since the last call, and ``control`` can stop it.
    """
    from fleetstream.verify import compare_targets, opened_targets

    expectation, read = _expected(manifests)
    first = source or read[0].spec.target
    with opened_targets(expectation, first, destination, layout) as (one, other):
        return compare_targets(expectation, one, other, control or Control(), progress)


def _expected(
    manifests: Sequence[Path | str | Manifest],
) -> "tuple[Expectation, Sequence[Manifest]]":
    """What the runs of manifests must have written, and the manifests."""
    from fleetstream.verify import Expectation

    read = [each if isinstance(each, Manifest) else read_manifest(Path(each)) for each in manifests]
    if not read:
        raise ValueError("Name at least one manifest.")
    return Expectation(read), read


def estimate_writes(
    spec: RunSpec,
    sweeps: int | None = None,
    *,
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> "Estimate":
    """What a run would send to Amazon Timestream, in the spec's record model.

    ``sweeps`` limits a run that has no end. ``track`` is called with one item per sweep that is
    generated for the estimate, and yields them, for example to show progress.
    """
    from fleetstream.targets.timestream.estimate import estimate

    spec = spec.resolved()
    generator = spec.generator()
    is_history = spec.start is not None
    return estimate(
        generator,
        spec.record_model,
        spec.database_name or "",
        spec.table_name or "",
        planned_timestamps(spec, sweeps),
        disorder=spec.disorder,
        batch_timestamps=generator.timestamps_per_batch(spec.worker_count) if is_history else None,
        processes=spec.worker_count,
        track=track,
    )


def _kind(generator: Generator, kind: str | None) -> str:
    kinds = list(generator.tables)
    if kind is not None and kind not in kinds:
        raise ValueError(f"There is no kind {kind!r}; choose from {', '.join(kinds)}.")
    return kind or kinds[0]
