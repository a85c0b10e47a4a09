"""Plots over time: values, shaded incidents, pictures, and what a terminal shows."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from fleetstream.cli import main
from fleetstream.generate.choices import IncidentChoice
from fleetstream.generate.generator import Generator
from fleetstream.model import load_model
from fleetstream.report.plot.terminal import word_legend
from fleetstream.report.plot.timeline import MAX_POINTS, Stretch, TimePanel, points_between
from fleetstream.report.series import find_measure, values_over_time
from tests.terminal import Terminal

BEGIN = 1_793_577_600_000_000  # 2026-11-02
HOUR = 3_600_000_000
CART = {"service": ("cart",), "region": ("eu-central-1",)}
SHOP = (
    *("--over-time", "--model", "web-shop", "--seed", "7"),
    *("--include", "service=cart", "--include", "region=eu-central-1"),
)


def stretch(model: str, include: dict[str, tuple[str, ...]], hours: int = 168) -> Stretch:
    real, calm = (
        Generator(load_model(model), 7, include=include, incidents=incidents)
        for incidents in (IncidentChoice.ON, IncidentChoice.OFF)
    )
    end = BEGIN + hours * HOUR
    return Stretch(real, calm, 4, points_between(BEGIN, end, 1), end, baseline=True)


@cache
def panel(model: str, name: str) -> TimePanel:
    include = CART if model == "web-shop" else {"region": ("us-east-2",)}
    shown = stretch(model, include)
    return shown.panel(*find_measure(shown.generator.model, name))


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The error message of a plot that fails."""
    with pytest.raises(SystemExit) as end:
        main(["plot", *arguments])
    assert end.value.code == 2
    return capsys.readouterr().err


MEASURES = [
    ("web-shop", "latency_p50"),
    ("web-shop", "errors_per_second"),
    ("web-shop", "heap_used"),
    ("web-shop", "requests_total"),
    ("aws-devops-realistic", "cpu_user"),
    ("aws-devops-realistic", "memory_used"),
    ("aws-devops-realistic", "network_bytes_in"),
]


@pytest.mark.parametrize(("model", "name"), MEASURES)
def test_values_differ_from_the_baseline_only_where_an_incident_is_shaded(
    model: str, name: str
) -> None:
    shown = panel(model, name)
    assert shown.baseline is not None
    real, calm = shown.lines.values, shown.baseline
    differs = (~((real == calm) | (np.isnan(real) & np.isnan(calm)))).any(axis=1)
    stamps = np.array(shown.timestamps)
    spans = [(stamps >= each.start) & (stamps < each.end) for each in shown.incidents]
    during = np.logical_or.reduce([np.zeros(len(stamps), np.bool_), *spans])
    assert not (differs & ~during).any()
    # A long incident is seen at some point, unless rounding hides what is left of it.
    for each, span in zip(shown.incidents, spans, strict=True):
        assert span.sum() < 4 or differs[span].any(), each


def test_incidents_are_shaded_where_they_act_alone() -> None:
    """A slow dependency changes latency and not the heap, a memory leak the heap alone."""
    names = {
        name: {each.name for each in panel("web-shop", name).incidents} for _, name in MEASURES[:4]
    }
    assert names["latency_p50"] == {"slow-dependency", "traffic-surge", "region-outage"}
    assert "memory-leak" in names["heap_used"]
    assert "slow-dependency" not in names["heap_used"]
    assert names["requests_total"] == set()
    leak = next(
        each for each in panel("web-shop", "heap_used").incidents if each.name == "memory-leak"
    )
    assert leak.place == "eu-central-1 cart-0"
    assert leak.cause is None


def test_places_are_told_apart_and_spread_incidents_say_from_where(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Services of the same name in other silos, and a silo that takes over from another."""
    model = ("--over-time", "--model", "aws-devops-realistic", "--seed", "7")
    some = ("--include", "region=us-east-2", "--include", "microservice_name=athena")
    weeks = ("--start", "2026-11-20", "--end", "2026-11-29", "--series", "1")
    assert main(["plot", *model, *some, *weeks]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        "a silo-outage us-east-2-cell-1-silo-1, 11-21 06:42:21 to 07:09:47, severity 0.35, "
        "from us-east-2-cell-1-silo-2"
    ) in lines
    assert any(
        line.startswith("b bad-deployment us-east-2-cell-1-silo-1 athena,") for line in lines
    )


def test_short_incidents_can_be_seen(tmp_path: Path) -> None:
    month = ("--start", "2026-11-02", "--end", "2026-12-02", "--measure", "latency_p50")
    short = ("--incidents", "scheduled", "--incident", "slow-dependency start=+7d for=1m")
    path = tmp_path / "month.png"
    assert main(["plot", *SHOP, *month, *short, "--out", str(path)]) == 0
    _, (width, axes) = _shade(imread(path))
    assert width > 0.001 * axes


@given(
    begin=st.integers(0, 2**50),
    length=st.integers(1_000_000, 10**14),
    interval=st.sampled_from([1, 250_000, 1_000_000, 7_000_000, 60_000_000, 900_000_000]),
)
@settings(max_examples=100)
def test_points_are_few_and_those_of_the_interval(begin: int, length: int, interval: int) -> None:
    try:
        points = points_between(begin, begin + length, interval)
    except ValueError:
        assert length < 2 * interval + 2_000_000
        return
    assert 1 <= len(points) <= MAX_POINTS
    assert points.step % interval == 0
    assert points[0] % points.step == 0
    assert begin <= points[0] <= points[-1] < begin + length


def test_a_picture_names_units_times_series_and_incidents(tmp_path: Path) -> None:
    measures = ("--measure", "latency_p50", "--measure", "heap_used", "--baseline")
    days = ("--start", "2026-11-02", "--end", "2026-11-05", "--interval", "15m")
    for name in ("one.svg", "again.svg"):
        assert main(["plot", *SHOP, *days, *measures, "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "again.svg").read_bytes()
    texts = re.findall(r"<!-- (.*?) -->", (tmp_path / "one.svg").read_text())
    for text in (
        *("latency_p50: eu-central-1 cart", "ms", "heap_used", "MiB", "time (UTC)"),
        *("slow-dependency", "traffic-surge", "memory-leak", "without incidents"),
        *("memory-leak eu-central-1 cart-0", "eu-central-1 cart-3"),
    ):
        assert text in texts, text


def test_a_picture_is_shaded_where_the_incident_is(tmp_path: Path) -> None:
    day = ("--start", "2026-11-02", "--end", "2026-11-03", "--measure", "latency_p50")
    assert main(["plot", *SHOP, *day, "--out", str(tmp_path / "day.png")]) == 0
    assert (
        main(["plot", *SHOP, *day, "--incidents", "off", "--out", str(tmp_path / "off.png")]) == 0
    )
    (red, green, _), shape = _shade(imread(tmp_path / "day.png"))
    assert red > green  # the shade of the first name, over white
    share = shape[0] / shape[1]
    # 01:09:29 to 02:06:04, and 18:41:41 to 19:19:20
    assert share == pytest.approx((56.58 + 37.65) / 1_440, abs=0.01)
    assert _shade(imread(tmp_path / "off.png"))[1][0] <= 2  # the edges of the line


def _shade(pixels: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The colour, the width of what is shaded, and the width of the axes."""
    row = pixels[round(pixels.shape[0] * 0.3), :, :3]
    dark = np.flatnonzero((row < 0.2).all(axis=1))
    inside = row[dark[0] + 3 : dark[-1] - 3]
    shaded = (inside.max(axis=1) > 0.9) & (inside.min(axis=1) < 0.9) & (inside.min(axis=1) > 0.5)
    colour = inside[shaded].mean(axis=0) if shaded.any() else np.zeros(3)
    return colour, (int(shaded.sum()), dark[-1] - dark[0])


def test_a_terminal_marks_incidents_at_their_columns(tmp_path: Path) -> None:
    day = ("--start", "2026-11-02", "--end", "2026-11-03", "--measure", "latency_p50")
    terminal = Terminal(tmp_path, "plot", *SHOP, *day)
    assert terminal.finish() == 0
    assert b"\x1b[33m" in terminal.written
    lines = terminal.lines
    assert lines[0] == "latency_p50, ms, 2026-11-02 00:00:00 to 23:59:00 UTC"
    row = next(line for line in lines if line.startswith("incident"))
    column = row.index("b")
    width = 80 - 9
    assert column - 9 == int((18 * 60 + 41.7) / 1_440 * width)
    strip = lines[lines.index("eu-central-1 cart") + 1]
    assert "█" in strip[column : column + 3]
    axis = next(line for line in lines if line.strip().startswith("UTC"))
    assert abs(axis.index("╵18:00:00") - 9 - 0.75 * width) < 1
    assert (
        "b slow-dependency eu-central-1 cart, 11-02 18:41:41 to 19:19:20, severity 1.00"
        in terminal.text
    )
    assert len(terminal.written.decode().split("\r\n")) <= 24
    assert max(map(len, lines)) <= 80


def test_no_colour_and_several_series(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = ("--measure", "cpu_utilization", "--series", "2", "--baseline", "--duration", "2h")
    assert main(["plot", *SHOP, "--start", "2026-11-04T20:00Z", *two]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    for line in ("eu-central-1 cart-0", "eu-central-1 cart-1, without incidents"):
        assert line in text.splitlines()
    assert "a traffic-surge eu-central-1, 11-04 20:48:02" in text


def test_many_incidents_are_shown_without_hiding_the_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = ("--over-time", "--model", "web-shop", "--seed", "7", "--measure", "heap_used")
    many = (*many, "--include", "region=eu-central-1", "--series", "40", "--start", "2026-11-01")
    many = (*many, "--end", "2026-11-15", "--interval", "2h")
    assert main(["plot", *many]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^and \d+ more; `fleetstream labels` lists all\.$", text, re.MULTILINE)
    assert len(re.findall(r"severity \d", text)) == 20
    assert main(["plot", *many, "--out", str(tmp_path / "many.svg")]) == 0
    picture = (tmp_path / "many.svg").read_text()
    heights = re.findall(
        r"<!-- memory-leak eu.* -->\s*<g transform=\"translate\([\d.]+ ([\d.]+)\)", picture
    )
    assert len(heights) > 10
    assert len(set(heights)) <= 4


def test_large_numbers_have_prefixes(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = ("--over-time", "--model", "kubernetes", "--seed", "7", "--series", "2")
    hours = ("--start", "2026-11-02", "--duration", "6h")
    assert main(["plot", *nodes, *hours, "--measure", "node_memory_MemAvailable_bytes"]) == 0
    scales = re.findall(r"^ *([\d.]+G) [▁-█ ]+$", capsys.readouterr().out, re.MULTILINE)
    assert len(scales) == 4
    assert all(5 < float(each[:-1]) < 34.4 for each in scales)  # of 32 GiB


def test_words_can_be_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ("--over-time", "--include-region", "eu-central-1", "--seed", "7", "--series", "1")
    words = (*options, "--start", "2026-11-02", "--duration", "1h", "--measure", "task_end_state")
    assert main(["plot", *words]) == 0
    text = capsys.readouterr().out
    assert "A SUCCESS_WITH_NO_RESULT, B SUCCESS_WITH_RESULT" in text
    assert re.search(r"^ {9}[A-F]{71}$", text, re.MULTILINE)
    assert main(["plot", *words, "--out", str(tmp_path / "words.svg")]) == 0
    texts = re.findall(r"<!-- (.*?) -->", (tmp_path / "words.svg").read_text())
    assert "INTERNAL_ERROR" in texts


@given(st.integers(20, 100))
def test_a_word_is_on_the_line_of_its_letter(columns: int) -> None:
    words = ("INTERNAL_ERROR", "THROTTLED", "SUCCESS")
    for line in word_legend(words, columns):
        assert re.fullmatch(r"([A-C] [A-Z_]+,? ?)+", line.plain)


def test_a_run_is_drawn_from_its_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = ("--model", "web-shop", "--seed", "7", "--start", "2026-11-02", "--end", "2026-11-03")
    run = (*run, "--interval", "10m", "--include", "service=cart,email")
    assert main(["ingest", *run, "--to", "null:", "--manifest", "run.json", "--quiet"]) == 0
    capsys.readouterr()
    part = ("--include", "region=eu-central-1", "--include", "service=cart")
    latency = ("--measure", "latency_p50")
    assert main(["plot", "--over-time", "run.json", *part, *latency]) == 0
    drawn = capsys.readouterr().out
    assert (
        main(["plot", "--over-time", *run, *part[:2], "--exclude", "service=email", *latency]) == 0
    )
    assert capsys.readouterr().out == drawn
    hour = ("--start", "2026-11-02T18:00Z", "--duration", "2h")
    assert main(["plot", "--over-time", "run.json", *part, *latency, *hour]) == 0
    assert "2026-11-02 18:00:00 to 19:50:00 UTC" in capsys.readouterr().out
    for options, message in (
        (("--seed", "8"), "A manifest has all options of its run; leave out --seed"),
        (("--include", "service=search"), "The run has no service 'search'"),
        (("--end", "2026-11-01"), "--end must be later than --start"),
    ):
        assert message in failure(capsys, "--over-time", "run.json", *options)


MISTAKES = {
    ("--measure", "latency_p5"): "no measure 'latency_p5'; did you mean 'latency_p50'?",
    ("--measure", "latency_p50"): (
        "has 30 services, but at most 10 can be told apart; choose some with --include "
        "DIMENSION=VALUE (region, service, tier)"
    ),
    ("--start", "2026-11-02T00:00:01Z", "--duration", "5s", "--series", "1"): "a longer time",
    ("missing.json",): "missing.json cannot be read",
    ("--series", "1", "--out", "x.txt"): "does not have the suffix of a picture",
    ("--signals",): "--over-time has no meaning for --signals",
}


@pytest.mark.parametrize(("options", "message"), MISTAKES.items(), ids=str)
def test_mistakes_get_a_sentence(
    options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = () if "missing.json" in options else ("--model", "web-shop")
    assert message in failure(capsys, "--over-time", *model, *options)


@pytest.mark.parametrize("options", [("--baseline",), ("run.json",), ("--measure", "cpu_user") * 2])
def test_what_belongs_to_plots_over_time_is_refused_elsewhere(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "needs --over-time; add it." in failure(capsys, *options)


def test_lines_are_the_values_of_the_fleet() -> None:
    shown = stretch("web-shop", CART, hours=2)
    kind, measure = find_measure(shown.generator.model, "latency_p99")
    found = shown.panel(kind, measure)
    expected = values_over_time(shown.generator, kind, "latency_p99", 1, shown.timestamps)
    np.testing.assert_array_equal(found.lines.values, expected)
    assert shown.timestamps.step == 5_000_000
