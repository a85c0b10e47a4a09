"""Incidents as alerts that Prometheus's Alertmanager takes.

The form is that of the body of ``POST /api/v2/alerts``: an array of alerts with ``labels``,
``annotations``, ``startsAt`` and ``endsAt`` (``api/v2/openapi.yaml`` of
github.com/prometheus/alertmanager).
"""

import json
from typing import Any

import pyarrow as pa

from fleetstream.generate.moments import from_datetime, iso
from fleetstream.model import Model
from fleetstream.report.labels.incidents import magnitude_text
from fleetstream.targets.prometheus.naming import label_name


def alerts(labels: pa.Table, model: Model) -> list[dict[str, Any]]:
    """One alert per incident.

    Its labels are ``alertname``, the incident's name in the model, and where it happened, under the
    names that the series of the model have for it in Prometheus. Of an incident that has spread,
    ``cause`` and ``root`` are the place and the id of the one where it began.
    """
    names = label_names(model)
    return [
        {
            "labels": {
                "alertname": row["incident"],
                **{names[level]: text for level, text in row["place"]},
            },
            "annotations": {
                "cause": " / ".join(text for _, text in row["cause"]),
                "description": row["description"],
                "effects": "; ".join(row["effects"]),
                "id": row["id"],
                "root": row["root"],
                "severity": f"{row['severity']:.2f}",
                **_magnitudes(row),
            },
            "startsAt": iso(from_datetime(row["start"])),
            "endsAt": iso(from_datetime(row["end"])),
        }
        for row in labels.to_pylist()
    ]


def _magnitudes(row: dict[str, Any]) -> dict[str, str]:
    """The annotation that says how values change, where this is known."""
    if "magnitudes" not in row:
        return {}
    return {"magnitudes": "; ".join(map(magnitude_text, row["magnitudes"]))}


def alerts_json(labels: pa.Table, model: Model) -> str:
    """The alerts as a JSON array."""
    return json.dumps(alerts(labels, model), indent=1) + "\n"


def label_names(model: Model) -> dict[str, str]:
    """The name of each level as a label: that of the dimension that has its text.

    A level that no dimension has the text of keeps its name, with ``_slot`` behind it where a
    dimension has that name, as where instances are replaced and have names of their own.
    """
    levels, dimensions = [level.name for level in model.levels], set(model.dimensions)
    names = {each: f"{each}_slot" if each in dimensions else each for each in levels}
    for kind in reversed(model.kinds.values()):
        for dimension, template in kind.templates.items():
            if template.sole_field in names:
                names[template.sole_field] = dimension
    return {level: label_name(name) for level, name in names.items()}
