"""Labels in the formats of others, read by their programs or by the rules that these follow."""

import contextlib
import io
import itertools
import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import fleetstream
from fleetstream.cli import main
from fleetstream.model import builtin_models, load_model
from fleetstream.report.labels.alertmanager import alerts, label_names
from fleetstream.report.labels.labelled_series import labelled_series
from tests.servers.alertmanager_server import Alertmanager

STRETCH = ("--start", "2026-11-02", "--end", "2026-11-03T06:00:00Z", "--interval", "5m")
SHOP = ("--model", "web-shop", "--seed", "7", *STRETCH)
OPTIONS: dict[str, Any] = {
    "model": "web-shop", "seed": 7,
    "start": "2026-11-02", "end": "2026-11-03T06:00:00Z", "interval": "5m",
}  # fmt: skip
BOTH = ["latency_p50", "errors_per_second"]


def labels(*arguments: str | Path) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(["labels", *map(str, arguments)]) == 0
    return printed.getvalue()


@pytest.fixture(scope="module")
def points() -> pd.DataFrame:
    """All points of both measures, as the API has them."""
    return fleetstream.point_labels("service", BOTH, **OPTIONS).read_all().to_pandas()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nab") / "corpus"
    said = labels(*SHOP, "--points", ",".join(BOTH), "--format", "nab", "--out", folder)
    assert said == "Wrote 60 files with their windows.\n"
    return folder


def nab_files(corpus: Path) -> dict[str, pd.DataFrame]:
    """The data files as NAB's class Corpus reads them."""
    data = corpus / "data"
    return {
        path.relative_to(data).as_posix(): pd.read_csv(path, header=0, parse_dates=[0])
        for path in data.rglob("*.csv")
    }


def nab_labels(data: pd.DataFrame, windows: list[list[str]]) -> pd.Series:
    """Labels of a file by the rules of NAB's class CorpusLabel, which refuses what breaks them."""
    for moment in [moment for window in windows for moment in window]:
        assert (data["timestamp"] == pd.Timestamp(moment)).sum() == 1
    for (_, end), (start, _) in itertools.pairwise(windows):
        assert pd.Timestamp(start) >= pd.Timestamp(end)
    marked = pd.Series(data=False, index=data.index)
    for start, end in windows:
        marked |= data["timestamp"].between(pd.Timestamp(start), pd.Timestamp(end))
    return marked


def test_nab_reads_its_corpus(corpus: Path, points: pd.DataFrame) -> None:
    files = nab_files(corpus)
    windows = json.loads((corpus / "labels" / "combined_windows.json").read_bytes())
    assert files.keys() == windows.keys()
    index = pd.read_csv(corpus / "series.csv")
    assert set(index["file_name"]) == files.keys()
    dimensions = [name for name in index.columns if name not in ("file_name", "measure")]
    found = 0
    for row in index.to_dict("records"):
        data = files[row["file_name"]]
        assert list(data.columns) == ["timestamp", "value"]
        mine = points[
            (
                points[["measure", *dimensions]] == [row[name] for name in ["measure", *dimensions]]
            ).all(axis=1)
        ]
        mine = mine.dropna(subset="value").reset_index(drop=True)
        assert data["value"].tolist() == mine["value"].tolist()
        assert (data["timestamp"] == mine["time"]).all()
        marked = nab_labels(data, windows[row["file_name"]])
        assert (marked == mine["affected"]).all()
        found += len(windows[row["file_name"]])
    assert found > 10


def tsb_ad(folder: Path) -> Iterator[tuple[dict[str, Any], pd.DataFrame, int]]:
    """Each file of a folder as TSB-AD's programs take it: its series, its rows, its train index."""
    index = pd.read_csv(folder / "series.csv")
    for row in index.to_dict("records"):
        (path,) = folder.rglob(row["file_name"])
        data = pd.read_csv(path)
        assert len(data.dropna()) == len(data)
        yield row, data, int(row["file_name"].split(".")[0].split("_")[-3])


@pytest.mark.parametrize("together", [1, 10, 1_000])
def test_series_are_told_apart_whatever_their_dimensions_are_called(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dimensions with the names of columns of the query, quotes in names, and values that miss."""
    monkeypatch.setattr("fleetstream.report.labels.labelled_series.TOGETHER", together)
    series = [("b", None, "x"), ("a", "1", "x"), ("a", None, "y"), ("a", None, "x")]
    rows = [(*each, time, name) for time in (5, 9) for each in series for name in ("p", "q")]
    *dimensions, times, measures = map(list, zip(*rows, strict=True))
    values = [None if number == 3 else float(number) for number in range(len(rows))]
    affected = [number % 5 == 3 for number in range(len(rows))]
    table = pa.table(
        {
            **dict(zip(("key", "number", 'say "hi"'), dimensions, strict=True)),
            "time": pa.array(times, pa.timestamp("us")),
            "measure": measures,
            "value": pa.array(values, pa.float64()),
            "without_incidents": pa.array(values, pa.float64()),
            "affected": affected,
            "incidents": [[f"i{number}"] * each for number, each in enumerate(affected)],
        }
    )
    found = list(labelled_series(table.to_reader(3)))
    assert [tuple(each.dimensions.values()) for each in found] == [
        series[place] for place in (1, 3, 2, 0)
    ]
    for each in found:
        mine = [row for row, at in enumerate(rows) if at[:3] == tuple(each.dimensions.values())]
        assert each.measures == ["p", "q"]
        assert each.times.tolist() == [5, 9]
        expected = [values[row] for row in mine]
        shown = each.values.reshape(-1).tolist()
        assert [None if math.isnan(one) else one for one in shown] == expected
        assert each.affected.reshape(-1).tolist() == [affected[row] for row in mine]
        assert each.incidents == {
            divmod(place, 2): [f"i{row}"] for place, row in enumerate(mine) if affected[row]
        }


NAME = re.compile(
    r"\d{3}_[^_.]+_id_\d+_(WebService|Sensor|Environment|Traffic|Finance|Facility|Medical|Synthetic)"
    r"_tr_\d+_1st_(\d+)\.csv"
)


@pytest.mark.parametrize("measures", [["latency_p50"], BOTH], ids=["one", "several"])
def test_tsb_ad_reads_its_files(measures: list[str], tmp_path: Path, points: pd.DataFrame) -> None:
    folder = tmp_path / "set"
    said = labels(*SHOP, "--points", ",".join(measures), "--format", "tsb-ad", "--out", folder)
    kind = "TSB-AD-U" if len(measures) == 1 else "TSB-AD-M"
    seen = 0
    for row, data, train in tsb_ad(folder):
        match = NAME.fullmatch(row["file_name"])
        assert match
        assert (folder / kind / row["file_name"]).exists()
        first = int(match[2])
        assert list(data.columns) == [*(["Data"] if len(measures) == 1 else measures), "Label"]
        assert set(data["Label"].unique()) <= {0, 1}
        assert data["Label"].tolist().index(1) == first
        assert not data["Label"][:train].any()
        dimensions = [name for name in row if name != "file_name"]
        chosen = (points[dimensions] == [row[name] for name in dimensions]).all(axis=1)
        mine = points[chosen].pivot_table(
            index="time",
            columns="measure",
            values=["value", "affected"],
            dropna=False,
            observed=True,
        )
        complete = mine["value"][measures].notna().all(axis=1)
        assert (data.iloc[:, :-1].to_numpy() == mine["value"][measures][complete].to_numpy()).all()
        expected = mine["affected"][measures][complete].any(axis=1)
        assert data["Label"].astype(bool).tolist() == expected.tolist()
        seen += 1
    assert said == f"Wrote {seen} series; incidents affect none of {30 - seen} others.\n"
    assert seen > 5


def test_an_alert_per_incident() -> None:
    table = fleetstream.labels(**OPTIONS)
    found = json.loads(labels(*SHOP, "--format", "alertmanager"))
    assert found == alerts(table, load_model("web-shop"))
    for alert, row in zip(found, table.to_pylist(), strict=True):
        assert alert["labels"]["alertname"] == row["incident"]
        assert list(alert["labels"].values())[1:] == [text for _, text in row["place"]]
        assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) for name in alert["labels"])
        assert all(
            isinstance(each, str) for each in {**alert["labels"], **alert["annotations"]}.values()
        )
        assert datetime.fromisoformat(alert["startsAt"]) == row["start"].replace(tzinfo=UTC)
        assert datetime.fromisoformat(alert["endsAt"]) == row["end"].replace(tzinfo=UTC)


def test_labels_of_alerts_have_the_names_of_dimensions() -> None:
    assert label_names(load_model("aws-devops-realistic"))["microservice"] == "microservice_name"
    assert label_names(load_model("web-shop")) == {
        "region": "region", "service": "service", "instance": "instance_slot",
    }  # fmt: skip
    for name in builtin_models():
        names = label_names(load_model(name))
        assert len({*names.values()}) == len(names)


def test_alertmanager_takes_the_alerts(tmp_path: Path) -> None:
    path = tmp_path / "alerts.json"
    fleet = ("--model", "aws-devops-realistic", "--seed", "7", "--start", "1h", "--autostop", "720")
    assert labels(*fleet, "--format", "alertmanager", "--out", path) == ""
    with Alertmanager(tmp_path) as server:
        sent = json.loads(path.read_bytes())
        server.post(path.read_bytes())
        firing = server.alerts()
    assert firing
    by_id = {alert["annotations"]["id"]: alert for alert in sent}
    for alert in firing:
        mine = by_id[alert["annotations"]["id"]]
        assert alert["labels"] == mine["labels"]
        for name in ("startsAt", "endsAt"):
            ours, theirs = (datetime.fromisoformat(each[name]) for each in (mine, alert))
            assert abs((ours - theirs).total_seconds()) < 0.001  # it answers in milliseconds


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--format", "nab"), "--format nab is for points; name measures with --points"),
        (("--format", "tsb-ad", "--points", "latency_p50"), "--format tsb-ad needs --out"),
        (("--format", "alertmanager", "--points", "latency_p50"), "leave out it or --points"),
        (("--magnitudes", "--points", "latency_p50"), "--magnitudes is for incidents"),
        (("--format", "nab", "--points", "latency_p50", "--out", "full"), "full is not empty"),
        (("--format", "nab", "--points", "latency_p50", "--out", "full/file"), "cannot be written"),
        (("--format", "alertmanager", "--out", "none/alerts.json"), "cannot be written"),
    ],
)
def test_bad_input(
    arguments: tuple[str, ...],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("full").mkdir()
    Path("full/file").touch()
    with contextlib.suppress(SystemExit):
        assert main(["labels", *SHOP, *arguments]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


def test_words_have_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "words")
    command = ["labels", "--seed", "7", "--start", "2026-11-02", "--end", "2026-11-02T00:01:00Z"]
    with contextlib.suppress(SystemExit):
        main([*command, "--points", "task_end_state", "--format", "nab", "--out", folder])
    assert "Only numbers can be written in this format" in capsys.readouterr().err
