"""The fixtures, in projects of their own."""

import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
PAGES = (
    "local-testing.md",
    "local-retention.md",
    "local-scheduled-queries.md",
    "local-batch-load.md",
)
RUN = ("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:importlinter")

ISOLATION = """
import boto3
import pytest

seen = set()

@pytest.mark.parametrize("number", [1, 2])
def test_each_database_is_empty(local_timestream, local_timestream_server, number):
    assert local_timestream.url == local_timestream_server.url
    assert local_timestream.name not in seen
    seen.add(local_timestream.name)
    write = boto3.client("timestream-write")
    names = [each["DatabaseName"] for each in write.list_databases()["Databases"]]
    assert names == [local_timestream.name]
    for table in range(25):
        write.create_table(DatabaseName=local_timestream.name, TableName=f"table{table}")
    write.create_database(DatabaseName="another")
"""

TELEMETRY = """
def count(timestream, table):
    rows = timestream.query.query(QueryString=f"SELECT count(*) FROM {table.sql}")["Rows"]
    return int(rows[0]["Data"][0]["ScalarValue"])

def test_a_table_is_filled(local_timestream, telemetry):
    hours = telemetry(start="2h", end="1h", interval="20m", include_region="eu-central-1")
    assert hours.database == local_timestream.name
    assert hours.records == count(local_timestream, hours) == 3 * 22
    single = telemetry("single", autostop=1, record_model="single", include_region="eu-central-1")
    assert single.name == "single"
    assert single.records == count(local_timestream, single) == 260

def test_options_are_checked(telemetry):
    import pytest
    with pytest.raises(TypeError, match="intervall"):
        telemetry(intervall="1m")
"""

OPTIONS = """
import pytest

@pytest.fixture(scope="session")
def local_timestream_options():
    return {"faults": {"throttle": 1}}

def test_it_throttles(local_timestream):
    with pytest.raises(local_timestream.query.exceptions.ThrottlingException):
        local_timestream.query.query(QueryString="SELECT 1")
"""


@pytest.mark.parametrize(("project", "passed"), [(ISOLATION, 2), (TELEMETRY, 2), (OPTIONS, 1)])
def test_fixtures(pytester: pytest.Pytester, project: str, passed: int) -> None:
    pytester.makepyfile(project)
    pytester.runpytest_inprocess(*RUN).assert_outcomes(passed=passed)
    assert {path.suffix for path in pytester.path.iterdir()} <= {".py", ""}


@pytest.mark.parametrize("page", PAGES)
def test_examples_of_the_documentation(pytester: pytest.Pytester, page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for number, example in enumerate(examples):
        pytester.makepyfile(**{f"test_{number}": example})
    result = pytester.runpytest_inprocess(*RUN)
    tests = sum(example.count("def test_") for example in examples)
    assert tests
    result.assert_outcomes(passed=tests)


def test_the_plugin_loads_nothing_else() -> None:
    code = "import sys, fleetstream.pytest_plugin; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in run.stdout.split() if name.startswith("fleetstream")}
    assert loaded == {"fleetstream", "fleetstream._version", "fleetstream.pytest_plugin"}


@pytest.mark.soak
def test_a_scratch_project_with_the_built_wheel(tmp_path: Path) -> None:
    def run(*command: str) -> str:
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", ".", str(ROOT))
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv/bin/python")
    run(python, "-m", "pip", "install", "--quiet", f"fleetstream[pytest] @ {wheel.as_uri()}")
    (tmp_path / "test_isolation.py").write_text(ISOLATION)
    (tmp_path / "test_telemetry.py").write_text(TELEMETRY)
    assert "4 passed" in run(python, "-m", "pytest", "-q")
