"""Writes `docs/summary.schema.json`, the JSON Schema of what `--summary` writes."""

import json
from typing import Any

import msgspec

from fleetstream.model.json_schema import DIALECT, described
from fleetstream.report.summary import Summary

from docs.building import DOCS

PAGE = DOCS / "summary.schema.json"


def build() -> None:
    """Write the schema."""
    PAGE.write_text(written())


def written() -> str:
    """The schema as it is written."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """The schema."""
    found = described(msgspec.json.schema(Summary))
    return {"$schema": DIALECT, "title": "Summary of a run of fleetstream", **found}


if __name__ == "__main__":
    build()
