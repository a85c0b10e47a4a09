"""The page about alert rules: Prometheus's own promtool says that they fire where labels say so."""

import contextlib
import io
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fleetstream.generate.schema import batch_schema
from fleetstream.model import load_model
from fleetstream.targets.prometheus.naming import Naming
from tests.servers.programs import program

PAGE = Path(__file__).parents[1] / "docs" / "alert-rules.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def promtool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The program's path; the current folder is a new one, with the rules of the page."""
    found = program("promtool", package="prometheus")
    monkeypatch.chdir(tmp_path)
    Path("rules.yml").write_text(blocks("yaml")[0])
    return found


def executed() -> tuple[str, dict[str, Any]]:
    """What the code of the page prints, and the names that it defines."""
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for text in blocks("python"):
            exec(compile(text, PAGE.name, "exec"), names)
    return printed.getvalue(), names


def failures(promtool: str, factor: str) -> tuple[set[str], set[str]]:
    """Services whose alerts are missing, and those whose alerts are not expected, with a factor."""
    Path("rules.yml").write_text(blocks("yaml")[0].replace("1.5", factor))
    command = [promtool, "test", "rules", "tests.yml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    missing, wrong = set(), set()
    for each in (done.stdout + done.stderr).split("alertname: SlowService, time:")[1:]:
        expected, got = (set(re.findall(r'service="(\w+)"', part)) for part in each.split("got:"))
        missing |= expected - got
        wrong |= got - expected
    return missing, wrong


def test_alerts_fire_in_the_labelled_intervals_and_at_no_other_time(promtool: str) -> None:
    printed, names = executed()
    assert printed.rstrip() == blocks("text")[0].rstrip()
    expected = [len(each["exp_alerts"]) for each in names["checks"]]
    assert set(expected) == {0, 1, 2}
    assert expected.count(2) >= 15
    assert failures(promtool, "3") == ({"checkout"}, set())
    assert failures(promtool, "1000") == ({"checkout", "payment"}, set())
    missing, wrong = failures(promtool, "1.01")
    assert not missing
    assert len(wrong) > 2


def test_the_series_have_the_names_that_they_have_in_prometheus(promtool: str) -> None:
    assert promtool
    _, names = executed()
    naming = Naming([batch_schema(load_model("web-shop"), "service")], "telemetry")
    metric = naming.metrics["service", "latency_p50"]
    assert len(names["series"]) == 10
    for each in names["series"]:
        name, labels = each["series"].removesuffix("}").split("{")
        assert name == metric.name
        assert {text.partition("=")[0] for text in labels.split(",")} <= metric.labels
    first = names["series"][0]["values"].split()[0]
    row = next(iter(names["fleetstream"].telemetry("service", **names["run"]))).to_pylist()[0]
    assert float(first) == pytest.approx(row["latency_p50"] * metric.factor / metric.divisor)
