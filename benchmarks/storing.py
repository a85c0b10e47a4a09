"""DuckDB, in the long and in the wide form."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import fleetstream, median
from benchmarks.results import Result, at_least
from fleetstream.generate.choices import RecordModel

FORMS = {RecordModel.SINGLE: ("long", 1.0), RecordModel.MULTI: ("wide", 2.5)}
SCALES = {RecordModel.SINGLE: 100, RecordModel.MULTI: 300}


def results() -> Iterator[Result]:
    """Values a second that a run stores, start of the database included."""
    for model, (form, target) in FORMS.items():
        rate = median(lambda m=model: _store(m), 3)
        yield at_least(
            f"values a second into DuckDB, {form} form, in millions", target, rate / 1e6, ""
        )


def _store(model: RecordModel) -> float:
    with tempfile.TemporaryDirectory() as folder:
        fleetstream(
            *("ingest", "--quiet", "--summary", "summary.json", "--record-model", model),
            *("--host-scale", str(SCALES[model]), "--autostop", "2"),
            folder=folder,
        )
        summary = json.loads((Path(folder) / "summary.json").read_bytes())
    return float(summary["stored"]["values"] / summary["seconds"])
