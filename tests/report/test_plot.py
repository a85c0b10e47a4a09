"""Plots: what they show, as pictures and on a terminal."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from fleetstream.fleet import Fleet
from fleetstream.measures import CATALOGUE, Measure
from fleetstream.report.plot.sketch import Histogram, Words, signal_lines, sketch
from fleetstream.workload import Workload
from matplotlib.image import imread

from fleetstream.generate.choices import Shape
from fleetstream.generate.signals import Signal
from tests.terminal import FLEETSTREAM, Terminal

START = 1_793_491_200_000_000
FIXED = ("--seed", "7", "--start", "2026-11-01T00:00:00Z")
SMALL = ("--include-region", "eu-central-1", "--duration", "20s")


def plot(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FLEETSTREAM, "plot", *arguments], cwd=folder, capture_output=True, text=True
    )


def distance(shown: Histogram | Words) -> float:
    """The share of values that lie elsewhere than the law has them."""
    return float(np.abs(shown.found - shown.stated).sum() / 2)


@pytest.mark.parametrize("measure", CATALOGUE, ids=lambda measure: f"{measure.kind}-{measure.name}")
def test_the_law_drawn_is_the_one_that_values_follow(measure: Measure) -> None:
    shown = sketch(Workload(Fleet(), 7), measure, 3, START, 20).distribution
    assert shown.found.sum() == pytest.approx(1)
    assert shown.stated.sum() == pytest.approx(1, abs=0.001)
    assert distance(shown) < 0.04


@pytest.mark.parametrize("name", ["cpu_user", "cpu_idle"])
@pytest.mark.parametrize(
    "signal", [Signal(Shape.SINE, 20), Signal(Shape.SAWTOOTH, 100), Signal(Shape.SAWTOOTH, 1)]
)
def test_the_law_of_a_signal_too(name: str, signal: Signal) -> None:
    measure = next(measure for measure in CATALOGUE if measure.name == name)
    shown = sketch(Workload(Fleet(), 7, signal), measure, 3, START, 60).distribution
    # Without noise, a level may fall on the edge of a bin, and rounding beyond it.
    assert distance(shown) < 0.04


def test_another_law_would_be_seen() -> None:
    low, other = (measure for measure in CATALOGUE if measure.name.startswith("latency_per"))
    found = sketch(Workload(Fleet(), 7), low, 1, START, 20).distribution
    assert isinstance(found, Histogram)
    counts, _ = np.histogram(np.random.default_rng(7).normal(12, 8, 20_000), found.edges)
    assert np.abs(counts / 20_000 - found.stated).sum() / 2 > 0.2
    assert other.name == "latency_per_write"


def test_lines_are_the_values_of_the_run() -> None:
    workload = Workload(Fleet(1, ["eu-central-1"]), 7, missing_cpu=50)
    cpu_user = CATALOGUE[0]
    lines = sketch(workload, cpu_user, 4, START, 10).lines
    assert lines.values.shape == (11, 4)
    assert lines.names[0] == "eu-central-1-cell-1-silo-1 apollo-0000"
    for second in (0, 10):
        batch = workload.batch(workload.blocks[0], START + second * 1_000_000)
        values = batch.column("cpu_user").slice(0, 4).to_numpy(zero_copy_only=False)
        np.testing.assert_array_equal(lines.values[second], values)
    assert np.isnan(lines.values).any()
    assert lines.times[-1].isoformat() == "2026-11-01T00:00:10+00:00"


def test_signals_show_two_periods_from_a_full_one_on() -> None:
    panels = signal_lines(7, {Shape.SINE: "m", Shape.SAWTOOTH: "h"}, START + 17_000_000)
    assert [re.sub(r" \(.*", "", panel.title) for panel in panels] == [
        "sine, signal-to-noise ratio 100",
        "sine, signal-to-noise ratio 20",
        "sine, signal-to-noise ratio 1",
        "sawtooth, signal-to-noise ratio 100",
        "sawtooth, signal-to-noise ratio 10",
    ]
    for panel, period in zip(panels, (60, 60, 60, 3_600, 3_600), strict=True):
        assert (panel.times[-1] - panel.times[0]).total_seconds() == 2 * period
        assert panel.times[0].timestamp() % period == 0
    quiet = panels[0].values[:, 0]
    assert quiet[[0, 15, 45, 75, 105]].tolist() == [50, 100, 0, 100, 0]
    assert np.abs(panels[1].values[:, 0] - quiet).max() <= 2.5


def test_picture_of_a_measure(tmp_path: Path) -> None:
    for name in ("one.png", "again.png", "picture.svg"):
        result = plot(tmp_path, *FIXED, *SMALL, "--measure", "memory_used", "--out", name)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    pixels = imread(tmp_path / "one.png")
    assert pixels.shape[:2] == (480, 1_320)
    assert len(np.unique(pixels.reshape(-1, 4), axis=0)) > 50
    # matplotlib notes every text of a picture in a comment.
    texts = re.findall(r"<!-- (.*?) -->", (tmp_path / "picture.svg").read_text())
    for text in ("memory_used, MB", "MB", "uniform 0–8000", "generated", "stated", "2026-Nov-01"):
        assert any(text in each for each in texts), text
    assert "eu-central-1-cell-1-silo-1 apollo-0000" in texts


def test_picture_of_signals(tmp_path: Path) -> None:
    assert plot(tmp_path, *FIXED, "--signals", "--out", "signals.svg").returncode == 0
    texts = re.findall(r"<!-- (.*?) -->", (tmp_path / "signals.svg").read_text())
    assert texts.count("cpu_user, %") == 5
    assert "sawtooth, signal-to-noise ratio 10 (noise within ±5 %)" in texts


@pytest.mark.parametrize("columns", [80, 200])
def test_on_a_terminal(tmp_path: Path, columns: int) -> None:
    options = ("--measure", "events.memory_free", "--hosts", "2")
    terminal = Terminal(tmp_path, "plot", *FIXED, *SMALL, *options, columns=columns, rows=60)
    assert terminal.finish() == 0
    boxes = [line for line in terminal.lines if "┌" in line]
    assert len(boxes) == 2
    assert all(columns - 5 <= len(line) <= columns for line in boxes)
    assert "memory_free, %" in terminal.text
    assert "seconds from 2026-11-01 00:00:00 UTC" in terminal.text
    assert "apollo-0001 server" in terminal.text
    assert "The line is what is stated: uniform 0–100" in terminal.text
    assert b"\x1b[" in terminal.written


def test_in_a_pipe_there_are_no_colours(tmp_path: Path) -> None:
    result = plot(tmp_path, *FIXED, *SMALL, "--measure", "task_end_state")
    assert result.returncode == 0
    assert "\x1b" not in result.stdout
    assert "SUCCESS_WITH_RESULT 0.7" in result.stdout


def test_a_reader_that_leaves_is_no_fault(tmp_path: Path) -> None:
    shell = f"{FLEETSTREAM} plot --signals | head -n 1; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, cwd=tmp_path)
    assert result.stdout.endswith("\n141\n")
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("package", "arguments"), [("matplotlib", "'--out', 'x.png'"), ("plotext", "'--signals'")]
)
def test_a_missing_extra_gets_a_sentence(tmp_path: Path, package: str, arguments: str) -> None:
    code = f"""
import sys
from fleetstream.cli import main

class Missing:
    def find_spec(self, name, *_):
        if name == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
main(["plot", {arguments}])
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 2
    assert f"Plots need the package {package!r}; install it with `pip install" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--measure", "cpu"), "There is no measure 'cpu'; choose among cpu_user, cpu_system"),
        (("--signals", "--hosts", "3"), "--hosts has no place in --signals"),
        (("--duration", "0"), "shorter than a second"),
        (("--out", "picture.txt"), "does not end like a picture; end it with one of"),
        (("--out", "missing/picture.png"), "there is no such folder"),
        (("--out", "/dev/full/x.png"), "no such folder"),
        (("--hosts", "0"), "0 is too low"),
    ],
)
def test_bad_input_gets_a_sentence(tmp_path: Path, arguments: Sequence[str], sentence: str) -> None:
    result = plot(tmp_path, *arguments)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())
