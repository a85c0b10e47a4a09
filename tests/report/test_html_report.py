"""The report of a real run, in a real browser."""

import re
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest
from fleetstream.report.report import Report
from matplotlib.image import imread

from tests.programs import program
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


def content(page: Path) -> Report:
    found = re.search(r'id="data">(.*?)</script>', page.read_text())
    assert found
    return msgspec.json.decode(found[1], type=Report)


def test_holds_what_the_run_did(page: Path) -> None:
    report = content(page)
    assert report.summary.sweeps == 4
    assert report.summary.stored.values == 4 * 1_040
    course, counts = report.course, report.distribution.requests
    assert len(course.seconds) == len(course.values_per_second) == len(course.p99) > 5
    length = np.diff(course.seconds, prepend=0)
    assert np.dot(course.values_per_second, length) == pytest.approx(4 * 1_040, rel=0.3)
    assert sum(counts) == report.summary.requests.total == 4
    assert len(report.excerpt.hosts) == len(report.excerpt.values) == 4
    # Two sweeps within one sample's quarter of a second show as one.
    assert 3 <= len(report.excerpt.times) <= 4
    assert report.options["--include-region"] == "us-west-2"
    assert [example.kind for example in report.examples] == ["metrics", "events"]


def test_needs_nothing_from_elsewhere_and_escapes_what_it_is_given(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"<(link|img|iframe)\b|\bsrc=|\bhref=|@import|url\(", text)
    assert "<h1>DuckDB, main.telemetry in a&lt;b&gt;&amp;.duckdb</h1>" in text
    assert "a<b>" not in text


def test_charts_are_drawn_without_a_complaint(page: Path, tmp_path: Path) -> None:
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


def test_fits_a_phone_and_a_sheet(page: Path, tmp_path: Path) -> None:
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
def test_a_path_that_can_not_be_written_is_told_before_the_run(tmp_path: Path, option: str) -> None:
    for path, sentence in (("missing/file", "there is no such folder"), (".", "names the folder")):
        result = subprocess.run(
            [FLEETSTREAM, "ingest", option, path], cwd=tmp_path, capture_output=True, text=True
        )
        assert result.returncode == 2
        assert sentence in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_report_that_can_not_be_written_in_the_end_fails_nothing(tmp_path: Path) -> None:
    result = subprocess.run(
        [FLEETSTREAM, "ingest", "--to", "null:", "--autostop", "1", "--report", "/dev/full"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0
    assert "The report could not be kept: /dev/full: No space left on device" in result.stderr
    assert "Delivered" in result.stdout
