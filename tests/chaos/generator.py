"""A real generator process, and what must be in a store after it."""

import calendar
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Records
from fleetstream.run.manifest import read_manifest
from fleetstream.run.undelivered import read_undelivered, undelivered_files
from tests.telemetry import MODEL

DATABASE, TABLE = "chaos", "telemetry"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}

Key = tuple[tuple[str, ...], str, int]
Truth = dict[Key, str]
"""What is stored under series, measure name and time in microseconds."""


class Generator:
    """`fleetstream ingest` as a process in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str, prefix: Sequence[str] = ()) -> None:
        self.folder = folder
        self.manifest = folder / "run.json"
        command = [*prefix, sys.executable, "-m", "fleetstream", "ingest", *arguments]
        if "--resume" not in arguments:
            command += ["--manifest", str(self.manifest)]
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **CREDENTIALS},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until(self, sweeps: int) -> None:
        """Wait until so many sweeps have begun."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.manifest.exists():
                manifest = json.loads(self.manifest.read_bytes())
                settled = sum(count for _, _, count in manifest["swept"])
                if settled + len(manifest["unsettled"]) >= sweeps:
                    return
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)
        raise AssertionError(f"{sweeps} sweeps did not begin within a minute")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, timeout: float = 120) -> tuple[int, str]:
        """Exit code and everything printed; no traceback, ever."""
        out, err = self.process.communicate(timeout=timeout)
        assert "Traceback" not in err, err
        return self.process.returncode, out + err

    @property
    def ledger(self) -> dict[str, Any]:
        ledger: dict[str, Any] = json.loads(self.manifest.read_bytes())["ledger"]
        return ledger


def expected(manifest_path: Path) -> Truth:
    """What a run must have written: every record of every sweep that its manifest names."""
    manifest = read_manifest(manifest_path)
    generator = manifest.spec.generator()
    truth: Truth = {}
    for timestamp in [*manifest.timestamps(), *manifest.unsettled]:
        for batch in generator.batches([timestamp]):
            truth.update(records_of(Records(batch, manifest.spec.record_model)))
    return truth


def records_of(records: Records) -> Truth:
    """Records by their keys; a multi-measure record's value is the JSON of all its values."""
    dimensions = [records.dimension(name).to_pylist() for name in records.dimension_names]
    series = [
        tuple(sorted(zip(records.dimension_names, row, strict=True)))
        for row in zip(*dimensions, strict=True)
    ]
    columns = [column.to_pylist() for column in records.measure_columns]
    times = records.timestamps.tolist()
    truth: Truth = {}
    for place, row in enumerate(records.rows.tolist()):
        key = tuple(f"{name}={value}" for name, value in series[row])
        if records.model is RecordModel.SINGLE:
            measure = int(records.measures[place])
            name = records.measure_names[measure]
            truth[key, name, times[row]] = json.dumps(columns[measure][row])
        else:
            values = dict(zip(records.measure_names, [c[row] for c in columns], strict=True))
            present = {name: value for name, value in values.items() if value is not None}
            truth[key, records.kind, times[row]] = json.dumps(present, sort_keys=True)
    return truth


def undelivered(folder: Path, model: RecordModel) -> Truth:
    """The records kept in a folder of undelivered ones."""
    truth: Truth = {}
    for path in undelivered_files(folder):
        for batch in read_undelivered(path):
            truth.update(records_of(Records(batch, model)))
    return truth


def stored(url: str, model: RecordModel = RecordModel.SINGLE) -> Truth:
    """Everything in the table, by the query API; fails on anything that is there twice."""
    _end_faults(url)
    client = boto3.client(
        "timestream-query",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    truth: Truth = {}
    pages = client.get_paginator("query").paginate(
        QueryString=f'SELECT * FROM "{DATABASE}"."{TABLE}"'
    )
    for page in pages:
        names = [column["Name"] for column in page["ColumnInfo"]]
        types = [column["Type"].get("ScalarType") for column in page["ColumnInfo"]]
        for row in page["Rows"]:
            fields = {
                name: _parsed(datum["ScalarValue"], kind)
                for name, kind, datum in zip(names, types, row["Data"], strict=True)
                if "ScalarValue" in datum
            }
            key, value = _record(fields, model)
            assert key not in truth, f"twice: {key}"
            truth[key] = value
    return truth


def _record(fields: dict[str, Any], model: RecordModel) -> tuple[Key, str]:
    dimensions = set(MODEL.dimensions)
    series = tuple(f"{name}={fields.pop(name)}" for name in sorted(dimensions & fields.keys()))
    key = (series, fields.pop("measure_name"), fields.pop("time"))
    if model is RecordModel.SINGLE:
        (value,) = fields.values()
        return key, json.dumps(value)
    return key, json.dumps(fields, sort_keys=True)


def _parsed(text: str, kind: str) -> Any:
    if kind == "DOUBLE":
        return float(text)
    if kind == "BIGINT":
        return int(text)
    if kind == "TIMESTAMP":
        moment, _, fraction = text.partition(".")
        seconds = calendar.timegm(time.strptime(moment, "%Y-%m-%d %H:%M:%S"))
        return seconds * 1_000_000 + int(fraction[:6] or 0)
    return text


def _end_faults(url: str) -> None:
    """Switch the server's faults off, if it has any: they hit queries too."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request(
        "PUT", "/faults", body='{"settings": {}}', headers={"Content-Type": "application/json"}
    )
    connection.getresponse().read()
    connection.close()
