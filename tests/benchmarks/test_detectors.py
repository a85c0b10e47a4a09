"""The benchmark of detectors: its data, its scores, and the table that the page shows."""

import re
import tomllib
from importlib.resources import files

import numpy as np
import pytest
from benchmarks.detectors import SEVERITIES, STRETCH, Numbers

from benchmarks import detectors

DAY = {**STRETCH, "end": "2026-11-04"}


def test_only_the_range_of_severities_differs() -> None:
    path = files("fleetstream.model") / "builtin" / f"{detectors.MODEL}.toml"
    shipped = tomllib.loads(path.read_text())["incidents"]
    for mildest, worst in SEVERITIES.values():
        found = tomllib.loads(detectors.model_text(mildest, worst))["incidents"]
        for name, incident in found.items():
            assert incident == {**shipped[name], "mildest": mildest, "worst": worst}


def test_a_point_has_the_mean_score_of_its_windows() -> None:
    scores = np.arange(20.0)
    points = len(scores) + detectors.WINDOW - 1
    expected = [
        np.mean(
            [score for first, score in enumerate(scores) if 0 <= point - first < detectors.WINDOW]
        )
        for point in range(points)
    ]
    assert detectors.per_point(scores, points) == pytest.approx(expected)


def test_scores_rise_with_severity(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a detector of a line: how far a window is above the median."""
    monkeypatch.setattr(detectors, "STRETCH", DAY)

    def above(values: Numbers) -> Numbers:
        return detectors.windows(values).mean(axis=1) / np.median(values)

    def chance(values: Numbers) -> Numbers:
        return np.random.default_rng(3).random(len(detectors.windows(values)))

    found = []
    for mildest, worst in SEVERITIES.values():
        chosen = {"above": above, "chance": chance}
        share, scores = detectors.results("latency_p50", mildest, worst, chosen)
        assert 0 < share < 0.1
        assert scores["chance"].roc == pytest.approx(0.5, abs=0.2)
        found.append(scores["above"])
    assert [each.precision for each in found] == sorted(each.precision for each in found)
    assert [each.roc for each in found] == sorted(each.roc for each in found)
    assert found[0].roc < found[-1].roc - 0.1
    assert found[-1].roc < 1


def test_in_the_table_scores_rise_with_severity() -> None:
    rows = [line.strip("| ").split(" | ") for line in table() if line.startswith("| `")]
    assert [(row[0], row[1].partition(",")[0]) for row in rows] == [
        (f"`{measure}`", name) for measure in detectors.MEASURES for name in SEVERITIES
    ]
    scores = np.array([[re.findall(r"\d\.\d+", cell) for cell in row[3:]] for row in rows], float)
    assert scores.shape == (9, 3, 2)
    by_measure = scores.reshape(3, 3, 6)
    assert np.all(np.diff(by_measure, axis=1) >= 0)
    assert np.all(by_measure[:, 2] > by_measure[:, 0])
    assert np.all((scores > 0) & (scores < 1))


def table() -> list[str]:
    _, _, rest = detectors.PAGE.read_text().partition(detectors.BEGIN)
    lines, _, _ = rest.partition(detectors.END)
    assert lines.startswith(detectors.HEAD)
    return lines.splitlines()
