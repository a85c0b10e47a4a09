"""The incidents of a fleet: those at rows of its levels, and what they spread to."""

from collections.abc import Callable, Sequence

import numpy as np

from fleetstream.generate.choices import IncidentChoice, ScheduledIncident
from fleetstream.generate.keys import seeded
from fleetstream.generate.occurrences import IncidentRows, IncidentSource
from fleetstream.generate.scheduled import check_scheduled, scheduled_rows
from fleetstream.generate.spread import spread_rows
from fleetstream.generate.topology import Topology
from fleetstream.model import Model


def incident_sources(
    model: Model,
    seed: int,
    topology: Topology,
    whole: Callable[[str], Topology],
    choice: IncidentChoice,
    scheduled: Sequence[ScheduledIncident],
    *,
    is_filtered: bool,
    is_sharded: bool,
) -> list[IncidentSource]:
    """All incidents of a model and their spreads, in the order of the model.

    ``topology`` has the rows that are left by filters and a shard. ``whole`` returns a level's
    rows, and those above it, without filters: what an incident spreads from may not be left.
    ``scheduled`` are those of the run. Raises ValueError where one of these is not in the model or
    the fleet.
    """
    check_scheduled(model, scheduled)
    if choice == IncidentChoice.OFF:
        return []

    def rows_of(
        name: str, rows: Topology, *, checks_model: bool = False, checks_run: bool = False
    ) -> IncidentRows:
        incident = model.incidents[name]
        found = scheduled_rows(
            name, incident, rows, scheduled, checks_model=checks_model, checks_run=checks_run
        )
        keys = seeded(rows.identities(incident.level), seed)
        drawn = np.zeros(len(keys), np.bool_)
        if choice == IncidentChoice.ON:
            drawn[rows.matching(incident.level, incident.only)] = True
        return IncidentRows(name, incident, keys, drawn, found)

    found: list[IncidentSource] = []
    for name, incident in model.incidents.items():
        if not incident.spreads:
            is_whole = not (is_filtered or is_sharded)
            found.append(rows_of(name, topology, checks_model=is_whole, checks_run=not is_sharded))
            continue
        all_rows = whole(incident.level) if is_filtered else topology
        causes = rows_of(name, all_rows, checks_model=True, checks_run=True)
        identities = topology.identities(incident.level)
        found += [
            rows_of(name, topology) if is_filtered else causes,
            *spread_rows(model, causes, all_rows, identities),
        ]
    return found
