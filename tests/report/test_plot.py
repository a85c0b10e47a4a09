"""Plots: what they show, as pictures and on a terminal."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from msgspec.structs import replace

from fleetstream.generate.choices import Shape
from fleetstream.generate.generator import Generator
from fleetstream.generate.signals import Signal
from fleetstream.model import DataType, Measure, Model, Overlay, load_model
from fleetstream.model.laws import Bernoulli
from fleetstream.report.plot.figures import (
    BinShares,
    MeasureFigure,
    WordShares,
    measure_figure,
    signal_figures,
)
from fleetstream.report.series import find_measure, first_measure, values_over_time
from tests.report.runs import SMALL
from tests.telemetry import EVENTS, METRICS, MODEL, TYPED, generator, measure
from tests.terminal import FLEETSTREAM, Terminal

START = 1_793_491_200_000_000
FIXED = ("--seed", "7", "--start", "2026-11-01T00:00:00Z")
SMALL_PLOT = ("--include-region", "eu-central-1", "--duration", "20s")
LARGE = generator(seed=7)
WORDS = tuple(measure(EVENTS, "task_end_state").value.shares)
MEASURES = [(key, each) for key, kind in MODEL.kinds.items() for each in kind.measures]


def plot(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FLEETSTREAM, "plot", *arguments], cwd=folder, capture_output=True, text=True
    )


def figure_of(source: Generator, name: str, seconds: float = 20) -> MeasureFigure:
    kind, found = find_measure(source.model, name)
    return measure_figure(source, kind, found, 3, START, seconds)


def distance(shown: BinShares | WordShares) -> float:
    """The share of values that are in another bin than stated."""
    return float(np.abs(shown.generated - shown.stated).sum() / 2)


@pytest.mark.parametrize(
    ("kind", "each"), MEASURES, ids=lambda each: each.name if isinstance(each, Measure) else each
)
def test_values_have_the_stated_distribution(kind: str, each: Measure) -> None:
    shown = figure_of(LARGE, f"{kind}.{each.name}").distribution
    assert shown.generated.sum() == pytest.approx(1)
    assert shown.stated.sum() == pytest.approx(1)
    assert distance(shown) < 0.03


def test_truth_is_plotted_as_words_and_times_as_what_has_passed() -> None:
    made = Generator(TYPED, 7, parameters={"devices": 200})
    truth = figure_of(made, "on", 600)
    assert truth.lines.words == ("false", "true")
    assert truth.distribution.generated == pytest.approx([0.3, 0.7], abs=0.02)
    assert truth.distribution.stated is None
    seen = figure_of(made, "seen", 600)
    assert seen.lines.label == "seen, seconds before"
    assert 10 < np.nanmean(seen.lines.values) < 30
    assert np.isnan(seen.lines.values).any()


def test_the_stated_share_of_truth(other_model: Model) -> None:
    """Where nothing depends on time."""
    wet = Measure(name="wet", type=DataType.BOOLEAN, value=Bernoulli(0.25))
    kind = replace(other_model.kinds["readings"], measures=[wet])
    made = Generator(replace(other_model, kinds={"readings": kind}), 7)
    shown = figure_of(made, "wet", 600).distribution
    assert shown.stated == pytest.approx([0.75, 0.25], abs=1e-3)
    assert distance(shown) < 0.03


@pytest.mark.parametrize("name", ["cpu_user", "disk_used"])
def test_a_small_fleet_is_compared_with_its_own_classes(name: str) -> None:
    """Ten hosts differ from the shares that the model states for many."""
    assert distance(figure_of(SMALL, name, 600).distribution) < 0.06


@pytest.mark.parametrize("name", ["cpu_user", "cpu_idle"])
@pytest.mark.parametrize(
    "signal", [Signal(Shape.SINE, 20), Signal(Shape.SAWTOOTH, 100), Signal(Shape.SAWTOOTH, 1)]
)
def test_signals_have_it_too(name: str, signal: Signal) -> None:
    figure = figure_of(generator(seed=7, signal=signal), name, 60)
    assert distance(figure.distribution) < 0.03
    assert figure.law == (str(signal) if name == "cpu_user" else str(measure(METRICS, name).value))


def test_a_bucket_has_the_sizes_of_its_histogram() -> None:
    """Not the expression that calculates it."""
    figure = figure_of(Generator(load_model("web-shop"), 7), "request_duration_seconds_count")
    assert figure.law.startswith("histogram, ")
    assert "of sizes: lognormal" in figure.law


def test_a_signal_replaces_an_expression_too() -> None:
    idle = Overlay(signal="cpu_idle")
    kinds = dict(MODEL.kinds)
    measures = [
        replace(each, value="100 - cpu_user") if each.name == "cpu_idle" else each
        for each in kinds[METRICS].measures
    ]
    kinds[METRICS] = replace(kinds[METRICS], measures=measures)
    changed = Generator(
        replace(MODEL, kinds=kinds, overlay=idle), 7, signal=Signal(Shape.SAWTOOTH, 100)
    )
    assert distance(figure_of(changed, "cpu_idle", 60).distribution) < 0.03


def test_another_distribution_is_seen() -> None:
    found = figure_of(LARGE, "latency_per_read").distribution
    assert isinstance(found, BinShares)
    other = measure(METRICS, "latency_per_write").value
    assert str(other) == "normal, mean 12, sd 8"
    counts, _ = np.histogram(np.random.default_rng(7).normal(12, 8, 20_000), found.edges)
    assert np.abs(counts / 20_000 - found.stated).sum() / 2 > 0.2


def test_what_is_stated_does_not_come_from_the_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """If every key were the same, the generated values would change and the stated ones not."""
    before = figure_of(LARGE, "memory_used").distribution
    monkeypatch.setattr("fleetstream.generate.values.cell_uniforms", lambda keys, offsets: np.full(
        (len(offsets), len(keys)), 0.5))  # fmt: skip
    after = figure_of(LARGE, "memory_used").distribution
    assert isinstance(before, BinShares)
    assert isinstance(after, BinShares)
    assert after.generated.max() == pytest.approx(1)
    assert after.stated.max() < 0.1


def test_lines_are_the_values_of_the_run() -> None:
    source = generator(seed=7, regions=["eu-central-1"], missing_percent=50)
    figure = measure_figure(source, METRICS, measure(METRICS, "cpu_user"), 4, START, 10)
    lines = figure.lines
    assert lines.values.shape == (11, 4)
    assert lines.names[0] == "eu-central-1-cell-1-silo-1 apollo-0000"
    assert lines.title == "cpu_user, %: 4 of 10 hosts"
    for second in (0, 10):
        batch = source.batch(source.chunks[0], [START + second * 1_000_000])
        values = batch.column("cpu_user").slice(0, 4).to_numpy(zero_copy_only=False)
        np.testing.assert_array_equal(lines.values[second], values)
    assert np.isnan(lines.values).any()
    assert lines.times[-1].isoformat() == "2026-11-01T00:00:10+00:00"


def test_values_over_time_do_not_depend_on_how_many_are_asked_for() -> None:
    source = generator(20, seed=7)  # more series than one batch has
    few = values_over_time(source, METRICS, "cpu_idle", 3, [START, START + 1])
    many = values_over_time(source, METRICS, "cpu_idle", 20_000, [START, START + 1])
    assert many.shape == (2, 20_000)
    np.testing.assert_array_equal(many[:, :3], few)
    assert values_over_time(source, METRICS, "cpu_idle", 0, [START]).shape == (1, 0)
    assert values_over_time(source, METRICS, "cpu_idle", 5, []).shape == (0, 5)


def test_measures_are_found_by_name() -> None:
    assert find_measure(MODEL, "memory_free")[0] == METRICS
    assert find_measure(MODEL, "events.memory_free") == (EVENTS, measure(EVENTS, "memory_free"))
    with pytest.raises(ValueError, match="no measure 'cpu'; choose from cpu_user, cpu_system"):
        find_measure(MODEL, "cpu")


def test_signals_show_two_periods_from_the_start_of_one() -> None:
    panels = signal_figures(MODEL, 7, {Shape.SINE: "m", Shape.SAWTOOTH: "h"}, START + 17_000_000)
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


def test_a_model_without_a_signal_has_no_figure_of_them(other_model: Model) -> None:
    with pytest.raises(ValueError, match="no measure that a signal replaces"):
        signal_figures(other_model, 7, {Shape.SINE: "m", Shape.SAWTOOTH: "m"}, START)


def test_any_model_can_be_plotted(other_model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    from fleetstream.report.plot.terminal import show_measure

    source = Generator(other_model, 7)
    kind, found = first_measure(source)
    show_measure(measure_figure(source, kind, found, 4, START, 20), coloured=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("depth, m: 3 of 3 wells, 2026-11-01 00:00:00 to 00:00:20 UTC")


def test_picture_of_a_measure(tmp_path: Path) -> None:
    for name in ("one.png", "again.png", "picture.svg"):
        result = plot(tmp_path, *FIXED, *SMALL_PLOT, "--measure", "memory_used", "--out", name)
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


def test_picture_of_words(tmp_path: Path) -> None:
    """Each value is a mark at its word, and all words can be read."""
    options = ("--measure", "task_end_state", "--hosts", "2", "--out", "words.svg")
    assert plot(tmp_path, *FIXED, *SMALL_PLOT, *options).returncode == 0
    picture = (tmp_path / "words.svg").read_text()
    texts = re.findall(r"<!-- (.*?) -->", picture)
    for word in ("task_end_state", *WORDS):
        assert word in texts
    for colour in ("#1f77b4", "#ff7f0e"):  # those of matplotlib's first two lines
        marks = re.findall(rf'<use [^>]*y="([\d.]+)"[^>]*stroke: {colour}', picture)
        assert len(marks) >= 21
        assert 1 < len(set(marks)) <= len(WORDS) + 1  # the legend has a mark too


def test_picture_of_signals(tmp_path: Path) -> None:
    assert plot(tmp_path, *FIXED, "--signals", "--out", "signals.svg").returncode == 0
    texts = re.findall(r"<!-- (.*?) -->", (tmp_path / "signals.svg").read_text())
    assert texts.count("cpu_user, %") == 5
    assert "sawtooth, signal-to-noise ratio 10 (noise within ±5 %)" in texts


@pytest.mark.parametrize("name", ["cpu_user", "disk_used", "events.task_end_state"])
def test_a_plain_terminal_shows_everything(tmp_path: Path, name: str) -> None:
    """80 columns and 24 lines without colour, of which the shell's prompt takes one."""
    options = ("--measure", name, "--hosts", "4")
    terminal = Terminal(tmp_path, "plot", *FIXED, *options, NO_COLOR="1")
    assert terminal.finish() == 0
    assert b"\x1b" not in terminal.written
    text = terminal.written.decode()
    lines = text.split("\r\n")[:-1]
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    label = name.rpartition(".")[2]
    assert lines[0].startswith(label)
    assert "2026-11-01 00:00:00 to 00:05:00 UTC" in lines[0]
    for series in range(3):
        assert any(f"apollo-000{series}" in line for line in lines)
    shares = [float(line[:-1].split()[-1]) for line in lines if line.endswith("%")]
    assert len(shares) >= 6
    assert sum(shares) == pytest.approx(100, abs=0.1)
    assert "│ is the stated share" in text


def test_a_large_terminal_shows_more(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "plot", *FIXED, *SMALL_PLOT, columns=200, rows=60)
    assert terminal.finish() == 0
    assert b"\x1b[" in terminal.written
    assert sum(line.endswith("%") for line in terminal.lines) == 25
    assert 190 <= max(map(len, terminal.lines)) <= 200


def test_the_shape_of_a_signal_is_seen(tmp_path: Path) -> None:
    result = plot(tmp_path, *FIXED, "--signals")
    lines = result.stdout.splitlines()
    assert len(lines) == 5 * 4
    assert lines[0] == (
        "sine, signal-to-noise ratio 100 (no noise), 2026-11-01 00:00:00 to 00:02:00 UTC"
    )
    top, middle, bottom = (line[9:] for line in lines[1:4])
    # A sine begins in the middle, is high in the first half of its period and low in the second.
    assert [place for place in range(len(top)) if top[place] == "█"]
    highest, lowest = top.index("█"), bottom.index("▁")
    assert 6 < highest < 12 < 20 < lowest < 32
    assert middle[highest] == bottom[highest] == "█"
    assert middle[lowest] == top[lowest] == " "


def test_words_are_letters_over_time(tmp_path: Path) -> None:
    options = ("--measure", "task_end_state", "--missing-cpu", "0")
    result = plot(tmp_path, *FIXED, *SMALL_PLOT, *options)
    assert result.returncode == 0
    assert "\x1b" not in result.stdout
    lines = result.stdout.splitlines()
    values = values_over_time(SMALL, EVENTS, "task_end_state", 1, range(
        START, START + 21_000_000, 1_000_000))[:, 0]  # fmt: skip
    place = lines.index("eu-central-1-cell-1-silo-1 apollo-0000 server")
    assert lines[place + 1] == "".join("ABCDEF"[int(value)] for value in values)
    assert "A SUCCESS_WITH_NO_RESULT, B SUCCESS_WITH_RESULT" in result.stdout


def test_missing_values_are_marked(tmp_path: Path) -> None:
    result = plot(tmp_path, *FIXED, *SMALL_PLOT, "--missing-cpu", "50%")
    assert result.returncode == 0
    assert "·" in result.stdout
    result = plot(tmp_path, *FIXED, *SMALL_PLOT, "--missing-cpu", "100%")
    assert result.returncode == 0, result.stderr


def test_a_reader_that_leaves_is_no_fault(tmp_path: Path) -> None:
    shell = f"{FLEETSTREAM} plot --signals | true; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, cwd=tmp_path)
    assert result.stdout == "141\n"
    assert result.stderr == ""


def test_a_missing_extra_gets_an_error_message(tmp_path: Path) -> None:
    code = """
import sys
from fleetstream.cli import main

class Missing:
    def find_spec(self, name, *_):
        if name == "matplotlib":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
main(["plot", "--out", "x.png"])
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 2
    assert "Plots require the package 'matplotlib'; install it with: pip install" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--measure", "cpu"), "There is no measure 'cpu'; choose from cpu_user, cpu_system"),
        (("--signals", "--hosts", "3"), "has no meaning for --signals"),
        (("--duration", "0"), "shorter than one second"),
        (("--out", "picture.txt"), "does not have the suffix of a picture; choose from"),
        (("--out", "missing/picture.png"), "there is no such folder"),
        (("--out", "/dev/full/x.png"), "no such folder"),
        (("--hosts", "0"), "--hosts"),
    ],
)
def test_bad_input_gets_an_error_message(
    tmp_path: Path, arguments: Sequence[str], message: str
) -> None:
    result = plot(tmp_path, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())
