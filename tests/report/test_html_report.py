"""The report of a real run, in a real browser."""

import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from matplotlib.image import imread

from fleetstream.generate.generator import Generator
from fleetstream.model import DataType, Measure, Model
from fleetstream.model.laws import Choice
from fleetstream.report.history import History, recorded
from fleetstream.report.html import ReportContent, report_content, write_report
from fleetstream.report.summary import summarise
from fleetstream.run.ledger import Ledger
from fleetstream.run.undelivered import Kept
from tests.report.runs import deliver, facts
from tests.servers.programs import program
from tests.telemetry import TIMESTAMP, TYPED
from tests.terminal import FLEETSTREAM

BLUE = (0x25, 0x63, 0xA8)
"""The colour of the first line of each chart."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a short run with a hostile file name."""
    folder = tmp_path_factory.mktemp("report")
    command = [FLEETSTREAM, "ingest", "--autostop", "4", "--include-region", "us-west-2"]
    subprocess.run(
        [*command, "--to", "duckdb:a<b>&.duckdb", "--seed", "7", "--report", "report.html"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "report.html"


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Open a page in headless Chromium until its scripts have run."""
    return subprocess.run(
        [
            program("chromium"),
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--enable-logging=stderr", "--virtual-time-budget=3000"),
            *("--allow-file-access-from-files", f"--user-data-dir={page.parent / 'profile'}"),
            *options,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def content(page: Path) -> ReportContent:
    found = re.search(r'id="data">(.*?)</script>', page.read_text())
    assert found
    return msgspec.json.decode(found[1], type=ReportContent)


def test_it_has_the_content_of_the_run(page: Path) -> None:
    report = content(page)
    assert report.summary.sweeps == 4
    assert report.summary.stored.values == 4 * 1_040
    timeline, counts = report.timeline, report.latencies.requests
    assert len(timeline.seconds) == len(timeline.values_per_second) == len(timeline.p99) > 0
    # A sweep that begins late shares the request of the one before.
    assert 1 <= report.summary.requests.total <= 4
    assert sum(counts) == report.summary.requests.total
    assert timeline.bytes_per_second == []
    assert len(report.excerpt.names) == len(report.excerpt.values) == 4
    assert (report.excerpt.measure, report.excerpt.unit) == ("cpu_user", "%")
    # Sweeps between two samples appear as one.
    assert 1 <= len(report.excerpt.times) <= 4
    assert report.options["--include"] == "region=us-west-2"
    counted = [(example.noun, example.count) for example in report.examples]
    assert counted == [("hosts", 40), ("processes", 48)]
    assert report.examples[0].dimensions["region"] == "us-west-2"
    assert report.examples[1].values["task_completed"].endswith(" tasks")


def test_it_loads_nothing_and_escapes_its_content(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"<(link|img|iframe)\b|\bsrc=|\bhref=|@import|url\(", text)
    assert "<h1>DuckDB, main.telemetry in a&lt;b&gt;&amp;.duckdb</h1>" in text
    assert "a<b>" not in text


def test_charts_are_drawn_without_errors(page: Path, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    screen = browse(page, "--window-size=1000,3600", f"--screenshot={picture}")
    assert "CONSOLE" not in screen.stderr
    pixels = np.rint(imread(picture)[:, :, :3] * 255).astype(int)
    assert pixels.shape[:2] == (3600, 1000)
    drawn = (np.abs(pixels - BLUE).max(axis=2) < 40).sum()
    assert drawn > 1_500

    dom = browse(page, "--dump-dom").stdout
    assert dom.count("<canvas") == 5  # a DuckDB run sends no bytes over a network
    for title in ("Values per second", "Request latency", "cpu_user of 4 hosts"):
        assert f">{title}</div>" in dom


def test_it_fits_a_phone_and_a_sheet(page: Path, tmp_path: Path) -> None:
    """Nothing is wider than a narrow screen, and the page prints."""
    frame = tmp_path / "phone.html"
    frame.write_text(
        f"<iframe width=360 height=800 src='{page.as_uri()}' onload='document.title ="
        " this.contentDocument.documentElement.scrollWidth'></iframe>"
    )
    title = re.search(r"<title>(\d+)</title>", browse(frame, "--dump-dom").stdout)
    assert title
    assert 300 < int(title[1]) <= 360

    sheets = tmp_path / "page.pdf"
    assert "CONSOLE" not in browse(page, f"--print-to-pdf={sheets}").stderr
    assert sheets.read_bytes().startswith(b"%PDF")
    assert sheets.stat().st_size > 20_000


def test_a_run_that_did_nothing_has_a_report_too(tmp_path: Path) -> None:
    """A run that is over before its first sweep shows the figures that there are."""
    options = ["--manifest", "run.json", "--to", "null:", "--include-region", "eu-central-1"]
    subprocess.run(
        [FLEETSTREAM, "ingest", "--autostop", "1", *options],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    subprocess.run(
        [FLEETSTREAM, "ingest", "--resume", "run.json", "--report", "report.html"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert content(tmp_path / "report.html").summary.sweeps == 0
    assert "CONSOLE" not in browse(tmp_path / "report.html", "--dump-dom").stderr


@pytest.mark.parametrize("option", ["--report", "--summary"])
def test_a_path_that_cannot_be_written_is_reported_before_the_run(
    tmp_path: Path, option: str
) -> None:
    for path, message in (("missing/file", "there is no such folder"), (".", "names the folder")):
        result = subprocess.run(
            [FLEETSTREAM, "ingest", option, path], cwd=tmp_path, capture_output=True, text=True
        )
        assert result.returncode == 2
        assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_report_that_cannot_be_written_in_the_end_is_no_failure(tmp_path: Path) -> None:
    result = subprocess.run(
        [FLEETSTREAM, "ingest", "--to", "null:", "--autostop", "1", "--report", "/dev/full"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0
    assert "The report could not be kept: /dev/full: No space left on device" in result.stderr
    assert "Delivered" in result.stdout


def test_the_timeline_has_the_rates_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty seconds at 1,040 values per second, then twenty at twice that."""
    now = 100.0
    monkeypatch.setattr("fleetstream.run.ledger.time", SimpleNamespace(monotonic=lambda: now))
    history = History(Ledger())
    for quarter in range(160):
        now += 0.25
        deliver(history.ledger, 260 if quarter < 80 else 520, seconds=0.02, size=1_000)
        history.take()
    known = facts()
    summary = summarise(known, history.ledger, None, Kept())
    report = report_content(known, summary, history.samples, {})
    timeline = report.timeline
    assert timeline.seconds == pytest.approx(np.arange(1, 41))
    assert timeline.values_per_second == [1_040.0] * 20 + [2_080.0] * 20
    assert timeline.requests_per_second == [4.0] * 40
    assert timeline.bytes_per_second == [4_000] * 40
    assert timeline.p50 == pytest.approx([0.02] * 40, rel=0.05)
    assert report.examples == []  # no sweep was generated


def saved(folder: Path, other: Model) -> Path:
    """The report of a made-up run of another model, whose first measure is a word."""
    ledger = Ledger()
    known = facts(generator=Generator(other, 7), include={}, sweeps=3)
    with recorded(ledger) as history:
        for sweep in range(3):
            deliver(ledger, 3, seconds=5.8409, size=1_000, writes=2)
            ledger.swept(1, TIMESTAMP + sweep * 1_000_000)
            history.take()
    summary = summarise(known, ledger, None, Kept())
    write_report(folder / "report.html", report_content(known, summary, history.samples, {}))
    return folder / "report.html"


def test_any_model_has_a_report(tmp_path: Path, other_model: Model) -> None:
    kind = other_model.kinds["readings"]
    state = Measure(name="state", type=DataType.VARCHAR, value=Choice({"dry": 0.5, "wet": 0.5}))
    words_first = msgspec.structs.replace(kind, measures=[state, *kind.measures])
    page = saved(tmp_path, msgspec.structs.replace(other_model, kinds={"readings": words_first}))
    excerpt = content(page).excerpt
    assert excerpt.words == ["dry", "wet"]
    assert {value for values in excerpt.values for value in values} <= {0, 1}
    shown = browse(page, "--dump-dom")
    assert "CONSOLE" not in shown.stderr
    for text in ("3 wells", "state of 3 wells", "The first of 3 wells", "5.84 s", "Cost of writes"):
        assert text in shown.stdout


def test_truth_and_times_in_the_report(tmp_path: Path) -> None:
    page = saved(tmp_path, TYPED)
    (example,) = content(page).examples
    assert example.values["hot"] in ("true", "false")
    assert re.fullmatch(r"[\d-]{10} [\d:]{8}\.\d{3} UTC", example.values["started"])


@pytest.mark.slow
def test_the_last_label_of_an_axis_is_whole(page: Path, tmp_path: Path) -> None:
    """The right edge of each chart is empty, so no label runs over it."""
    picture = tmp_path / "page.png"
    browse(page, "--window-size=1000,3600", f"--screenshot={picture}")
    dark = imread(picture)[:, :, :3].max(axis=2) < 0.5
    # The body has a margin of 1 rem; charts are as wide as the rest of the page.
    assert dark[:, :970].any()
    assert not dark[300:3_000, 978:].any()


def test_the_null_target_has_no_latency(tmp_path: Path) -> None:
    options = ["--to", "null:", "--include-region", "eu-central-1", "--report", "report.html"]
    command = [FLEETSTREAM, "ingest", "--autostop", "2", *options]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    shown = browse(tmp_path / "report.html", "--dump-dom")
    assert "CONSOLE" not in shown.stderr
    assert "Median latency" not in shown.stdout
    assert 'id="latency"' not in shown.stdout
    assert "Values per second" in shown.stdout
