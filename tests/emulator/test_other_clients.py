"""Clients in other languages: a program with AWS SDK for Go, and the AWS CLI."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.emulator.conftest import now
from tests.emulator.endpoint import Endpoint
from tests.servers.programs import program

SOURCES = Path(__file__).parent / "go_client"
SECONDS = 240
"""The modules may have to be downloaded, and compiled for the first time."""


def test_a_program_in_go(endpoint: Endpoint, tmp_path: Path) -> None:
    client = go_client(tmp_path)
    before = discoveries(endpoint)
    found = json.loads(output(str(client), endpoint.url, "goDb"))
    assert found == {
        "discovered": endpoint.url,
        "ingested": 3,
        "rejected": [1],
        "missing": True,
        "pages": 2,
        "rows": [["a", "1.5"], ["a", "2.5"], ["a", "3.5"]],
    }
    # Once by the program itself, and by the SDK before queries.
    assert discoveries(endpoint) - before >= 2


def go_client(folder: Path) -> Path:
    """The compiled program; the caches are those of Go, outside of the repository."""
    go = program("go", package="golang-go", folders=[Path("/usr/local/go/bin")])
    download = subprocess.run(
        [go, "mod", "download"], cwd=SOURCES, capture_output=True, text=True, timeout=SECONDS
    )
    if download.returncode:
        message = f"The modules of AWS SDK for Go cannot be downloaded: {download.stderr}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    client = folder / "client"
    output(go, "build", "-o", str(client), ".", cwd=SOURCES)
    return client


def test_the_aws_cli(endpoint: Endpoint) -> None:
    name, before = "--database-name=cli", discoveries(endpoint)
    aws(endpoint, "write", "create-database", name)
    aws(endpoint, "write", "create-table", name, "--table-name=servers")
    record = {
        "Dimensions": [{"Name": "host", "Value": "a"}],
        "MeasureName": "load",
        "MeasureValue": "1.5",
        "Time": str(now()),
    }
    written = aws(
        endpoint, "write", "write-records", name, "--table-name=servers",
        "--records", json.dumps([record]),
    )  # fmt: skip
    assert written["RecordsIngested"] == {"Total": 1, "MemoryStore": 1, "MagneticStore": 0}
    sql = "SELECT host, measure_value::double FROM cli.servers"
    found = aws(endpoint, "query", "query", f"--query-string={sql}", discovery=True)
    assert [row["Data"] for row in found["Rows"]] == [
        [{"ScalarValue": "a"}, {"ScalarValue": "1.5"}]
    ]
    assert discoveries(endpoint) - before == 1


def aws(endpoint: Endpoint, api: str, *arguments: str, discovery: bool = False) -> Any:
    """The response to a command, `aws timestream-API ARGUMENTS`.

    The CLI asks for endpoints if its URL is in the environment, and not with `--endpoint-url`.
    """
    command = [sys.executable, "-m", "awscli", f"timestream-{api}", *arguments]
    variables = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    if discovery:
        variables["AWS_ENDPOINT_URL"] = endpoint.url
    else:
        command += ["--endpoint-url", endpoint.url]
    options = ["--region=us-east-1", "--output=json"]
    return json.loads(output(*command, *options, environment=variables))


def output(
    *command: str, cwd: Path | None = None, environment: dict[str, str] | None = None
) -> str:
    """What a command that must succeed prints."""
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | (environment or {}), capture_output=True, text=True,
        timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def discoveries(endpoint: Endpoint) -> int:
    """How many DescribeEndpoints requests the server has answered."""
    metrics = requests.get(f"{endpoint.url}/metrics", timeout=10).text
    return sum(
        int(float(line.split()[-1]))
        for line in metrics.splitlines()
        if line.startswith("fleetstream_local_requests_total{")
        and 'operation="DescribeEndpoints"' in line
    )
