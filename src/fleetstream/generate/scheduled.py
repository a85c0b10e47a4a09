"""Scheduled incidents: those that a model file or a run states, at the rows of their places."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from fleetstream.generate.choices import ScheduledIncident
from fleetstream.generate.keys import name_key
from fleetstream.generate.moments import from_datetime
from fleetstream.generate.occurrences import Occurrences, joined
from fleetstream.generate.topology import Topology
from fleetstream.model import Model
from fleetstream.model.incidents import Incident
from fleetstream.model.loader import ModelFault
from fleetstream.model.suggestions import suggested


def check_scheduled(model: Model, scheduled: Iterable[ScheduledIncident]) -> None:
    """Raises ValueError where a run schedules what the model does not have."""
    for each in scheduled:
        incident = model.incidents.get(each.incident)
        if incident is None:
            known = suggested(each.incident, list(model.incidents))
            raise ValueError(f"The model {model.name!r} has no incident {each.incident!r}; {known}")
        places = model.above(incident.level)
        for level in each.place:
            if level not in places:
                raise ValueError(
                    f"The incident {each.incident!r} has no place by {level!r}; "
                    f"{suggested(level, places)}"
                )


def scheduled_rows(
    name: str,
    incident: Incident,
    topology: Topology,
    wanted: Sequence[ScheduledIncident],
    *,
    checks_model: bool,
    checks_run: bool,
) -> Occurrences | None:
    """The scheduled incidents of a kind at the rows of a topology, None for none.

    ``wanted`` are those of the run. Raises ValueError where no row is at a place of the model, with
    ``checks_model``, or of the run, with ``checks_run``.
    """
    parts = [*_of_model(name, incident, topology, checks=checks_model)]
    for each in wanted:
        if each.incident == name:
            rows = topology.matching(incident.level, _listed(each.place))
            if checks_run and not len(rows):
                raise ValueError(_nowhere(incident.level, each.place, topology))
            parts.append(_at(rows, incident, each.start, each.start + each.duration, each.severity))
    if not parts:
        return None
    found = joined(parts)
    same = (found.rows[1:] == found.rows[:-1]) & (found.tokens[1:] == found.tokens[:-1])
    return found.where(np.append([True], ~same)) if len(found) else None


def _of_model(
    name: str, incident: Incident, topology: Topology, *, checks: bool
) -> Iterator[Occurrences]:
    for index, each in enumerate(incident.scheduled):
        rows = topology.matching(incident.level, _listed(each.place))
        if checks and not len(rows):
            raise ModelFault(
                _nowhere(incident.level, each.place, topology),
                *("incidents", name, "scheduled", index, "place"),
            )
        start = from_datetime(each.start)
        yield _at(rows, incident, start, start + each.duration_us, each.severity)


def _at(
    rows: np.ndarray[tuple[int], np.dtype[np.intp]],
    incident: Incident,
    start: int,
    end: int,
    severity: float | None,
) -> Occurrences:
    """One scheduled incident at some rows."""
    severity = incident.worst if severity is None else severity
    token = name_key("scheduled", str(start), str(end), repr(float(severity)))
    return Occurrences(
        rows,
        np.full(len(rows), start),
        np.full(len(rows), end),
        np.full(len(rows), float(severity)),
        np.full(len(rows), token),
    )


def _listed(place: Mapping[str, str]) -> dict[str, list[str]]:
    return {level: [text] for level, text in place.items()}


def _nowhere(level: str, place: dict[str, str], topology: Topology) -> str:
    """Why no row is at a place."""
    for name, text in place.items():
        known = topology.words(name)
        if text not in known:
            return f"There is no {name} {text!r}; {suggested(text, known)}"
    given = " ".join(f"{name}={text}" for name, text in place.items())
    return f"There is no {level} at {given}; no row has all of these texts."
