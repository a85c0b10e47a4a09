"""What the shipped models promise about their values."""

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
