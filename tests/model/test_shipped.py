"""What the shipped models promise about their values."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import fleetstream
from fleetstream.model import load_model

REALISTIC = "aws-devops-realistic"


def week(kind: str, interval: str = "10m", **options: str) -> pd.DataFrame:
    return (
        fleetstream.telemetry(
            kind, seed="3", start="2026-11-02", end="2026-11-09", interval=interval, **options
        )
        .read_all()
        .to_pandas()
    )


def day_of(kind: str, day: str, interval: str, **options: Any) -> pd.DataFrame:
    end = f"{day[:-2]}{int(day[-2:]) + 1:02}"
    run = fleetstream.telemetry(kind, seed=3, start=day, end=end, interval=interval, **options)
    return run.read_all().to_pandas()


def test_the_realistic_fleet_has_the_schema_of_the_sample_fleet() -> None:
    sample, realistic = load_model(), load_model(REALISTIC)
    assert sample.kinds.keys() == realistic.kinds.keys()
    for key, kind in sample.kinds.items():
        other = realistic.kinds[key]
        assert list(kind.dimensions) == list(other.dimensions)
        for one, same in zip(kind.measures, other.measures, strict=True):
            for field in ("name", "type", "unit", "decimals", "group", "description"):
                assert getattr(one, field) == getattr(same, field)
        assert fleetstream.series(key).equals(fleetstream.series(key, model=REALISTIC))


def test_the_realistic_fleet_is_believable() -> None:
    """Smooth over time, correlated within a host and a service, with a day and a night."""
    rows = week("metrics", model=REALISTIC, include_region="eu-central-1", incidents="off")
    table = rows.pivot(index="time", columns="instance_name", values="cpu_user")
    assert (table.apply(lambda host: host.autocorr(1)) > 0.9).all()
    by_hour = table.groupby(table.index.hour).mean()
    assert (by_hour.loc[12] > 1.8 * by_hour.loc[3]).all()
    same = table.filter(like="zeus").corr().to_numpy()
    assert (same[np.triu_indices(3, 1)] > 0.7).all()
    for _, host in rows.groupby("instance_name"):
        found = host[["cpu_user", "memory_used", "network_bytes_in", "latency_per_read"]].corr()
        assert found.loc["cpu_user", "network_bytes_in"] > 0.8
        assert found.loc["cpu_user", "memory_used"] > 0.3
        assert found.loc["cpu_user", "latency_per_read"] > 0.1
    total = rows.filter(like="cpu_").sum(axis=1)
    assert total.max() <= 100.001


@pytest.mark.parametrize(
    ("model", "kind", "measure", "highest", "lowest"),
    [
        ("web-shop", "service", "requests_per_second", 19, 3),
        ("kubernetes", "deployment", "requests_per_second", 12, 3),
        ("smart-meters", "transformer", "transformer_load", 19, 3),
    ],
)
def test_load_has_a_day_and_a_night(
    model: str, kind: str, measure: str, highest: int, lowest: int
) -> None:
    """In the local time of central Europe, an hour ahead of UTC, where there are regions."""
    rows = week(kind, model=model, incidents="off")
    if "region" in rows:
        rows = rows[rows["region"] == "eu-central-1"]
    hours = (rows["time"].dt.hour + (0 if model == "kubernetes" else 1)) % 24
    means = rows.groupby(hours)[measure].mean()
    assert means[highest] > 1.8 * means[lowest]


def test_latency_grows_with_utilization_as_in_a_queue() -> None:
    rows = week("service", model="web-shop", incidents="off")
    for _, service in rows.groupby(["region", "service"]):
        load = service["requests_per_second"]
        busy, calm = load > load.quantile(0.95), load < load.quantile(0.3)
        assert service["latency_p50"][busy].median() > 1.05 * service["latency_p50"][calm].median()
        assert (service["latency_p99"] > service["latency_p50"]).all()


def test_the_autoscaler_has_the_pods_that_it_desires() -> None:
    """Whenever it decides, every 5 minutes; incidents do not change what pods there are."""
    options: dict[str, Any] = {"model": "kubernetes", "interval": "5m", "incidents": "off"}
    pods = day_of("pod", "2026-11-03", **options).groupby(["deployment", "time"]).size()
    deployments = day_of("deployment", "2026-11-03", **options).set_index(["deployment", "time"])
    desired = deployments["kube_horizontalpodautoscaler_status_desired_replicas"]
    assert (pods == desired.loc[pods.index]).all()
    assert len(pods) == len(desired)
    assert desired.min() < deployments["kube_horizontalpodautoscaler_spec_max_replicas"].min()


def test_meters_that_heat_with_electricity_draw_more_in_winter_only() -> None:
    def means(day: str) -> "pd.Series[float]":
        rows = day_of("meter", day, "15m", model="smart-meters", include="tariff=household")
        return rows.groupby("heating")["power"].mean()

    winter, summer = means("2026-01-13"), means("2026-07-14")
    assert winter["electric"] > 1.5 * winter["heat-pump"] > 3 * winter["gas"]
    assert summer.max() < 1.6 * summer.min()


def test_meters_with_solar_panels_feed_in_by_day() -> None:
    rows = day_of("meter", "2026-07-14", "15m", model="smart-meters")
    fed = rows.groupby("roof")["feed_in"]
    assert fed.max()["plain"] == 0
    assert fed.mean()["solar"] > 100
    assert (rows["feed_in"][rows["time"].dt.hour < 4] == 0).all()


@pytest.mark.parametrize(
    ("model", "kind", "scale", "dimension", "level"),
    [
        ("iot-trucks", "truck", {"trucks": 2_000}, "model", "truck"),
        ("iot-trucks", "truck", {"trucks": 2_000}, "freight", "truck"),
        ("smart-meters", "meter", {"streets": 200}, "heating", "meter"),
        ("smart-meters", "meter", {"streets": 200}, "roof", "meter"),
    ],
)
def test_options_are_chosen_by_their_shares(
    model: str, kind: str, scale: dict[str, int], dimension: str, level: str
) -> None:
    (described,) = [each for each in load_model(model).levels if each.name == level]
    words = fleetstream.series(kind, model=model, set=scale).column(dimension).to_pylist()
    for option in described.choices[dimension]:
        found = words.count(option["name"]) / len(words)
        assert found == pytest.approx(float(option["share"]), abs=0.015)


def test_pauses_of_garbage_collection_add_up() -> None:
    """The mean pause of any stretch is about that of the law, between median and 99 %."""
    rows = day_of("instance", "2026-11-03", "10m", model="web-shop", incidents="off")
    pauses = load_model("web-shop").kinds["instance"].measure("gc_pause_seconds_quantile_0_5")
    assert pauses is not None
    mean = pauses.value.of.mean  # type: ignore[union-attr]
    for _, instance in rows.groupby("instance"):
        low, high = (
            instance["gc_pause_seconds_quantile_0_5"],
            instance["gc_pause_seconds_quantile_0_99"],
        )
        assert (low < high).all()
        count = instance["gc_pause_seconds_count"].iloc[[0, -1]].diff().iloc[1]
        total = instance["gc_pause_seconds_sum"].iloc[[0, -1]].diff().iloc[1]
        if count > 1_000:
            assert total / count == pytest.approx(mean, rel=0.05)
