"""Descriptions of runs, of every kind that the options can express."""

from typing import Any

from hypothesis import strategies as st

from fleetstream.generate.choices import (
    PERIODS,
    IncidentChoice,
    Lateness,
    RecordModel,
    ScheduledIncident,
    Shard,
)
from fleetstream.generate.moments import LATEST, MILLISECOND, next_multiple
from fleetstream.run.notation import LONGEST_INTERVAL
from fleetstream.run.spec import MAX_SEED, RunSpec

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
NAMES = st.lists(
    st.text(
        st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters=","), min_size=1
    ),
    max_size=3,
    unique=True,
).map(tuple)
KEYS = st.sampled_from(["host_scale", "region", "microservice_name"]) | st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="="), min_size=1
)
"""Names of parameters and dimensions."""

PERCENTAGES = st.floats(0, 100)
MOMENTS = st.integers(0, LATEST - 1)
INTERVALS = st.integers(1, LONGEST_INTERVAL // MILLISECOND).map(lambda count: count * MILLISECOND)
LAGS = st.integers(0, 86_400_000 * 10**5).map(lambda count: count * MILLISECOND)
LATENESSES = st.builds(Lateness, PERCENTAGES, INTERVALS)
SHARDS = st.integers(1, 9).flatmap(
    lambda count: st.builds(Shard, st.integers(1, count), st.just(count))
)


def scheduled(resolved: bool) -> st.SearchStrategy[ScheduledIncident]:
    """Incidents that a run schedules, with any texts; with absolute starts where resolved."""
    words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="="), min_size=1)
    places = st.dictionaries(
        words.filter(lambda word: word not in ("start", "for", "severity")),
        st.text(st.characters(exclude_categories=["Cs"])),
        max_size=2,
    )
    severities = st.none() | st.floats(0, 1)
    absolute = st.builds(ScheduledIncident, words, places, MOMENTS, INTERVALS, severities)
    distances = st.builds(int.__mul__, LAGS, st.sampled_from([-1, 1]))
    relative = st.builds(
        ScheduledIncident, words, places, distances, INTERVALS, severities, st.just(True)
    )
    return absolute if resolved else absolute | relative


def _optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


@st.composite
def specs(draw: st.DrawFn, *, resolved: bool = False) -> RunSpec:
    """A description without contradictions; any field may have any value somewhere."""
    values = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "model": WORDS,
                "set": st.dictionaries(KEYS, st.integers(), max_size=3),
                "include": st.dictionaries(KEYS, NAMES.filter(bool), max_size=3),
                "exclude": st.dictionaries(KEYS, NAMES.filter(bool), max_size=3),
                "missing_cpu": PERCENTAGES,
                "sin_frq_cpu": st.sampled_from(list(PERIODS)),
                "incidents": st.sampled_from(IncidentChoice),
                "incident": st.lists(scheduled(resolved), max_size=2).map(tuple),
                "saw_frq_cpu": st.sampled_from(list(PERIODS)),
                "autostop": st.integers(0, 10**9),
                "rate": st.integers(0, 10**9),
                "to": _optional(WORDS),
                "database_name": _optional(WORDS),
                "table_name": _optional(WORDS),
                "region": _optional(WORDS),
                "endpoint_url": _optional(WORDS),
                "profile": _optional(WORDS),
                "record_model": st.sampled_from(RecordModel),
                "concurrency": st.integers(1, 10**6),
                "give_up_after": st.floats(0, 10**9),
                "undelivered": WORDS.filter(bool),
                "duplicate": PERCENTAGES,
            },
        )
    )
    values |= draw(st.sampled_from([{}, {"sin_signal_cpu"}, {"saw_signal_cpu"}]).flatmap(_signal))
    values |= draw(_schedules(resolved)) | draw(_workers()) | draw(_disorder())
    seeds = st.integers(0, MAX_SEED)
    values["seed"] = draw(seeds if resolved else _optional(seeds))
    if values["seed"] is not None:
        values["shard"] = draw(_optional(SHARDS))
    return RunSpec(**values)


def _signal(fields: set[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(dict.fromkeys(fields, PERCENTAGES))


@st.composite
def _schedules(draw: st.DrawFn, resolved: bool) -> dict[str, Any]:
    kind = draw(st.sampled_from(["free", "live", "history", "follow"]))
    if kind == "free":
        return {}
    interval = draw(INTERVALS)
    if kind == "live":
        return {"interval": interval, "max_lag": draw(_optional(LAGS))}
    start = draw(st.integers(0, LATEST - 3 * LONGEST_INTERVAL))
    if kind == "follow":
        max_lag = draw(_optional(LAGS))
        return {"start": start, "interval": interval, "follow": True, "max_lag": max_lag}
    end = draw(st.integers(next_multiple(start, interval) + 1, LATEST - 1))
    if resolved or draw(st.booleans()):
        return {"start": start, "interval": interval, "end": end}
    return {"start": start, "interval": interval}


@st.composite
def _workers(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.booleans()):
        return {"processes": draw(st.integers(0, 64))}
    return {"ray": draw(WORDS), "workers": draw(st.integers(1, 64))}


@st.composite
def _disorder(draw: st.DrawFn) -> dict[str, Any]:
    late = draw(_optional(LATENESSES))
    rest = 100 - (late.percent if late else 0)
    share = draw(st.floats(0, rest).filter(lambda share: share + 100 - rest <= 100))
    return {"late": late, "out_of_order": share}
