"""The findings of a comparison of two targets, for people and for programs."""

import json
from typing import Any

from fleetstream.report.formats import duration
from fleetstream.verify.findings import Fault
from fleetstream.verify.migration_findings import EXPECTED, Discrepancy, MigrationFindings, Side


def show_migration(findings: MigrationFindings, sweeps: int, seconds: float) -> None:
    """Print the findings to standard output; ``sweeps`` is how many the manifests have."""
    for side in Side:
        records, values = findings.records[side], findings.values[side]
        label = f"{side.capitalize()}:"
        print(f"{label:<13}{findings.names[side]}: {records:,} records, {values:,} values")
    print(
        f"Expected:    {findings.expected:,} records of {sweeps:,} sweeps, compared in "
        f"{duration(seconds)}"
    )
    if findings.absent:
        print(f"             {findings.absent:,} records of interrupted sweeps are in neither")
    for side in Side:
        for fault in Fault:
            if findings.faults[side, fault]:
                _show_fault(findings, side, fault)
    print(_verdict(findings))


def print_migration(findings: MigrationFindings, sweeps: int, seconds: float) -> None:
    """Print the findings as a JSON document to standard output."""
    sides = {
        str(side): {
            "target": findings.names[side],
            "records": findings.records[side],
            "values": findings.values[side],
            **{str(fault): findings.faults[side, fault] for fault in Fault},
            "series": {str(fault): len(findings.series[side, fault]) for fault in Fault},
        }
        for side in Side
    }
    document = {
        "matches": findings.matches,
        "finished": findings.finished,
        "expected": findings.expected,
        "absent": findings.absent,
        "sweeps": sweeps,
        "seconds": round(seconds, 3),
        **sides,
        "examples": [
            _example(each) for examples in findings.examples.values() for each in examples
        ],
    }
    print(json.dumps(document, indent=2, default=str))


def _example(found: Discrepancy) -> dict[str, Any]:
    return {
        "side": str(found.side),
        "fault": str(found.fault),
        "time": found.time,
        "series": dict(found.series),
        "measure_name": found.measure_name,
        "values": dict(found.values),
        "times": found.times,
    }


def _show_fault(findings: MigrationFindings, side: Side, fault: Fault) -> None:
    count, examples = findings.faults[side, fault], findings.examples[side, fault]
    series = len(findings.series[side, fault])
    print(f"{fault.capitalize()} in the {side}: {count:,}, of {series:,} series")
    for found in examples:
        times = f", there {found.times} times" if fault is Fault.DUPLICATE else ""
        print(f"  {found.time or 'no time'} {found.measure_name or 'no measure name'}{times}")
        print(f"    of {'/'.join(found.series.values())}")
        shown = [f"{place} {_values(found, place)}" for place in (*Side, EXPECTED)]
        print(f"    {', '.join(shown)}")
    more = count - len(examples)
    if more > 0:
        print(f"  and {more:,} more")


def _values(found: Discrepancy, place: str) -> str:
    """The values of a record in a place: one alone, a few by name, or how many there are."""
    values = found.values[place]
    if values is None:
        return "nothing"
    single = {name: each for name, each in values.items() if "measure_value::" in name}
    if single:
        present = [each for each in single.values() if each is not None]
        return " and ".join(map(repr, present)) or "nothing"
    if found.fault is not Fault.DIFFERENT:
        return f"a record of {sum(each is not None for each in values.values())} values"
    return " ".join(f"{name}={each!r}" for name, each in values.items())


def _verdict(findings: MigrationFindings) -> str:
    if not findings.finished:
        return "Stopped before everything was compared."
    if findings.matches:
        return "They match: every value is in both, and nothing else."
    wrong = [f"the {side}" for side in Side if any(findings.faults[side, each] for each in Fault)]
    verb = "differs" if len(wrong) == 1 else "differ"
    return f"They do not match: {' and '.join(wrong)} {verb} from what was written."
