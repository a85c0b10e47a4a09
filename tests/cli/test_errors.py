"""Bad input and unusable targets: one sentence, the stated exit code, nothing written or begun."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest

from fleetstream.cli import main
from tests.recording import serving

TIMESTREAM = ["-r", "us-east-1", "-d", "db", "-t", "tb"]

BAD_INPUT = {
    "unknown region": (
        ["--include-region", "eu-central-1,mars-1"],
        "There is no region 'mars-1'; choose from us-east-1, us-east-2, us-west-1, us-west-2, eu-",
    ),
    "unknown microservice": (
        ["--include-ms", "hera"],
        "There is no microservice_name 'hera'; choose from apollo, athena, demeter, hercules, ze",
    ),
    "no region in the list": (
        ["--include-region", " , "],
        "' , ' has no names; separate several by commas.",
    ),
    "no microservice in the list": (["--include-ms", ""], "'' has no names"),
    "missing CPU above 100": (
        ["--missing-cpu", "101"],
        "101 is out of range; a percentage is from 0 to 100.",
    ),
    "missing CPU below 0": (["--missing-cpu=-1"], "-1 is out of range"),
    "missing CPU not a number": (
        ["--missing-cpu", "many"],
        "'many' is not a percentage such as 1 or 0.5%.",
    ),
    "missing CPU neither": (["--missing-cpu", "nan"], "nan is out of range"),
    "sine ratio": (["--sin-signal-cpu", "100.5"], "100.5 is out of range"),
    "sawtooth ratio": (["--saw-signal-cpu=-0.5"], "-0.5 is out of range"),
    "sine frequency": (
        ["--sin-signal-cpu", "20", "--sin-frq-cpu", "w"],
        "There is no frequency 'w'; choose from m, h, d, we, mo, qu, ye.",
    ),
    "sawtooth frequency": (["--saw-frq-cpu", "M"], "There is no frequency 'M'"),
    "both signals": (
        ["--sin-signal-cpu", "20", "--saw-signal-cpu", "20"],
        "Give either --sin-signal-cpu or --saw-signal-cpu, not both.",
    ),
    "concurrency": (["-c", "0"], "0 is too low; the least is 1."),
    "host scale": (["-s", "0"], "The host scale is 0, but must be from 1 to"),
    "host scale too large": (
        ["-s", "1000001"],
        "The host scale is 1,000,001, but must be from 1 to",
    ),
    "too many hosts": (
        ["-s", "20000"],
        "has 20,200,000 rows of the level 'instance', but one run takes at most",
    ),
    "host scale not whole": (["-s", "1.5"], "'1.5' is not an integer."),
    "autostop": (["--autostop=-1"], "-1 is too low; the least is 0."),
    "a part without a seed": (["--shard", "1/2"], "--shard needs --seed: the parts make one fleet"),
    "seed": (["--seed", "now"], "'now' is not an integer."),
    "seed too large": (["--seed", str(2**64)], "must be an integer from 0 to 2^64 - 1."),
    "seed below 0": (["--seed=-1"], "The seed is -1, but must be"),
    "unknown target": (
        ["--to", "mysql:fleet"],
        "There is no target 'mysql:fleet'; choose one of csv:DIR, duckdb:PATH, influx:URL, null:, ",
    ),
    "DuckDB without a path": (
        ["--to", "duckdb:"],
        "needs a path, for example duckdb:fleet.duckdb.",
    ),
    "DuckDB in no folder": (
        ["--to", "duckdb:nowhere/fleet.duckdb"],
        "There is no folder 'nowhere'",
    ),
    "DuckDB in a folder": (["--to", "duckdb:."], "is a folder, but must be a DuckDB file."),
    "no database": (["-r", "us-east-1", "-t", "tb"], "Amazon Timestream needs --database-name"),
    "no table": (["-r", "us-east-1", "-d", "db"], "Amazon Timestream needs --table-name"),
    "no region": (["-d", "db", "-t", "tb"], "No AWS region is given; name one with --region"),
    "no region, but a target": (["--to", "timestream", "-d", "db", "-t", "tb"], "No AWS region is"),
    "target with too much": ([*TIMESTREAM, "--to", "timestream:x"], "The target is just 'timestr"),
    "two targets": (
        ["-r", "us-east-1", "--to", "null:"],
        "--region has no meaning for the target",
    ),
    **{
        f"endpoint {url}": (
            [*TIMESTREAM, "-url", url],
            f"{url!r} is not an endpoint URL; one looks like https://ingest-cell1.timestream",
        )
        for url in ("us-east-1", "ftp://host", "https://", "http://host:99999", "http://[::1")
    },
    "endpoint with a password": (
        [*TIMESTREAM, "-url", "http://me:secret@host"],
        "The endpoint URL contains a user name or password",
    ),
    "unknown record model": (["--record-model", "long"], "There is no record model 'long'"),
    "a file as a target": (
        ["--to", "foo.duckdb"],
        "There is no target 'foo.duckdb'; did you mean duckdb:foo.duckdb?",
    ),
    "a misspelt target": (
        ["--to", "dukdb:foo.duckdb"],
        "There is no target 'dukdb:foo.duckdb'; did you mean duckdb:foo.duckdb?",
    ),
    "a URL as a target": (
        ["--to", "http://127.0.0.1:8086"],
        "did you mean influx:http://127.0.0.1:8086, prometheus:http://127.0.0.1:8086 or otlp:http:",
    ),
    "an option misspelt": (
        ["--include-regions", "eu-west-1"],
        "unknown arguments: --include-regions eu-west-1. Did you mean --include-region?",
    ),
    "an option that is like none": (["--verbose"], "unknown arguments: --verbose."),
    "a form without a preview": (["--format", "json"], "--format is the form of --dry-run"),
    "a preview of an unknown target": (["--dry-run", "--to", "foo"], "There is no target 'foo'"),
    "a preview of two targets": (
        ["--dry-run", "-r", "us-east-1", "--to", "null:"],
        "--region has no meaning for the target 'null:'",
    ),
    "no folder of undelivered records": (
        ["--undelivered", ""],
        "--undelivered is empty; name a folder",
    ),
    "a part too many": (["--seed", "7", "--shard", "4/3"], "There is no part 4 of 3; the first"),
    "far more processes than cores": (
        ["--to", "null:", "--processes", "1000000"],
        "--processes is 1,000,000, but this machine has",
    ),
    "a history in the future": (["--start", "+1h"], "--start is in the future"),
    "an end without a start": (["--end", "1h"], "--end needs --start, which is not given."),
    "more disorder than there is data": (
        ["--late", "60%:1m", "--out-of-order", "50"],
        "--late and --out-of-order are more than 100% together",
    ),
    "lateness without a time": (["--late", "1%"], "'1%' does not say how late"),
    "a model that is not there": (
        ["--model", "mainframe"],
        "There is no model 'mainframe'; choose",
    ),
    "unknown option": (["--colour"], "unknown arguments: --colour."),
    "an option cut short": (
        ["--conc", "3"],
        "unknown arguments: --conc 3. Did you mean --concurrency?",
    ),
}
"""Options and what is said of them."""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder, and no AWS settings but a pair of keys."""
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


def said(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    """The one sentence that a run gives which does not begin."""
    try:
        ended = main(["ingest", *arguments])
    except SystemExit as end:
        ended = end.code
    out, err = capsys.readouterr()
    assert ended == code, out + err
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("Error: ")
    assert lines[1:] == (["Try `fleetstream ingest --help`."] if code == 2 else [])
    return lines[0].removeprefix("Error: ")


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input(name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments, sentence = BAD_INPUT[name]
    assert sentence in said(capsys, 2, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["duckdb:/proc/fleet.duckdb", "parquet:/proc/lake"])
def test_a_place_that_cannot_be_written(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    sentence = said(capsys, 3, "--to", target)
    assert "/proc/" in sentence
    assert "cannot be written" in sentence


def test_a_file_of_something_else(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 1_000)
    sentence = said(capsys, 2, "--to", "duckdb:letter.txt")
    assert sentence.startswith("'letter.txt' is not a DuckDB file, and would be overwritten; name")
    assert path.read_text() == "Dear Sir or Madam, " * 1_000
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("command", ["ingset", "verfy"])
def test_an_unknown_command_gets_a_suggestion(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([command])
    assert f"Error: There is no command {command!r}. Did you mean " in capsys.readouterr().err


def test_an_existing_manifest_is_not_replaced(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam")
    sentence = said(capsys, 2, "--manifest", "letter.txt", "--autostop", "1")
    assert sentence.startswith("letter.txt exists and is not the manifest of a finished run")
    assert path.read_text() == "Dear Sir or Madam"
    assert list(tmp_path.iterdir()) == [path]


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    printed = capsys.readouterr()
    assert not printed.out
    assert "ingest    stream a simulated fleet's telemetry into a database" in printed.err


def test_sentences_come_without_a_traceback() -> None:
    """As a program of its own, with everything that Python would print at its end."""
    run = subprocess.run(
        [sys.executable, "-m", "fleetstream", "ingest", "--include-region", "mars"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert re.fullmatch(r"Error: .*'mars'.*\.\nTry `fleetstream ingest --help`\.\n", run.stderr)


class Refusing(ThreadingHTTPServer):
    """A Timestream that refuses operations with error codes; others get an empty answer."""

    daemon_threads = True

    def __init__(self, refusals: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Refusal)
        self.refusals = refusals
        self.message = "no"
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Refusal(BaseHTTPRequestHandler):
    server: Refusing

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        self.server.asked.append(operation)
        code = self.server.refusals.get(operation)
        content = {"__type": code, "message": self.server.message} if code else {}
        answer = json.dumps(content).encode()
        self.send_response(400 if code else 200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[Refusing]:
    server = Refusing({})
    with serving(server):
        yield server


REFUSALS = {
    "ResourceNotFoundException": "There is no table 'tb' in the database 'db' in us-east-1; create",
    "AccessDeniedException": "These AWS credentials may not use the table db.tb; they need timestr",
    "ExpiredTokenException": "The AWS credentials have expired; renew them, or use another --prof",
    "UnrecognizedClientException": "The AWS credentials are not known to AWS; renew them",
    "InvalidSignatureException": "The AWS credentials are wrong (the signature does not match)",
    "ValidationException": "Amazon Timestream refuses the table db.tb: ValidationException, no.",
}


def test_an_account_for_which_the_service_is_closed(
    refusing: Refusing, capsys: pytest.CaptureFixture[str]
) -> None:
    refusing.refusals = {"DescribeTable": "AccessDeniedException"}
    refusing.message = (
        "Only existing Timestream for LiveAnalytics customers can access the service. Reach out to "
        "AWS support for more information."
    )
    printed = said(capsys, 3, *TIMESTREAM, "-url", refusing.url)
    assert "closed to new customers" in printed
    assert "fleetstream serve" in printed
    assert "--to influx:URL" in printed


@pytest.mark.parametrize("code", REFUSALS)
def test_a_table_that_is_refused(
    code: str, refusing: Refusing, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    refusing.refusals = {"DescribeTable": code}
    assert said(capsys, 3, *TIMESTREAM, "-url", refusing.url).startswith(REFUSALS[code])
    assert "WriteRecords" not in refusing.asked
    assert list(tmp_path.iterdir()) == []


def test_no_such_database(refusing: Refusing, capsys: pytest.CaptureFixture[str]) -> None:
    refusing.refusals = dict.fromkeys(
        ("DescribeTable", "DescribeDatabase"), "ResourceNotFoundException"
    )
    sentence = said(capsys, 3, *TIMESTREAM, "-url", refusing.url)
    assert sentence.startswith("There is no database 'db' in us-east-1; create it first, or name")
    assert set(refusing.asked) == {"DescribeTable", "DescribeDatabase"}


def test_no_credentials(
    refusing: Refusing, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    sentence = said(capsys, 3, *TIMESTREAM, "-url", refusing.url)
    assert sentence.startswith("No complete AWS credentials were found; run `aws configure`")
    assert refusing.asked == []


def test_no_such_profile(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = said(capsys, 3, *TIMESTREAM, "--profile", "nobody")
    assert sentence.startswith("There is no AWS profile 'nobody'; `aws configure list-profiles`")


def test_a_region_may_come_from_the_environment(
    refusing: Refusing, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    refusing.refusals = {"DescribeTable": "ResourceNotFoundException"}
    sentence = said(capsys, 3, "-d", "db", "-t", "tb", "-url", refusing.url)
    assert "in the database 'db' in eu-west-1" in sentence


def test_a_database_that_is_open_elsewhere(tmp_path: Path) -> None:
    """In another process, since one process may open a file twice."""
    with duckdb.connect(tmp_path / "fleet.duckdb"):
        run = subprocess.run(
            [sys.executable, "-m", "fleetstream", "ingest", "--to", "duckdb:fleet.duckdb"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 3
    assert run.stderr == (
        "Error: 'fleet.duckdb' is open in another process; close it there, or name another file.\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fleet.duckdb"]
