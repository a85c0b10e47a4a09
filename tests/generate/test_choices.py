"""Choices of rows: their shares, and what they do and do not depend on."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from fleetstream.generate.attributes import choice_columns, place_keys
from fleetstream.generate.choices import Shard
from fleetstream.generate.generator import Generator
from fleetstream.generate.rows import TextColumn
from fleetstream.model import Level, Model
from tests.generate.models import model_of
from tests.telemetry import TIMESTAMP

REGIONS = {"us-east-1": 0.6, "eu-west-1": 0.3, "ap-south-1": 0.1}
CORES = {"small": 2, "large": 16}


def document(*sites: str) -> dict[str, Any]:
    """Hosts at sites; each chooses a region and a type, which has a number of cores."""
    return {
        "name": "hosts",
        "shard_level": "host",
        "parameters": {"hosts": {"default": 100, "minimum": 1, "maximum": 10**6}},
        "levels": [
            {
                "name": "site",
                "members": [{"name": name} for name in sites or ("a", "b")],
                "choices": {
                    "tier": [{"name": "gold", "share": 0.5}, {"name": "tin", "share": 0.5}]
                },
            },
            {
                "name": "host",
                "count": "hosts",
                "label": "{site}-{host.region}-{host.index}",
                "numbers": {"double": "host.type.cores * 2"},
                "choices": {
                    "region": [
                        {"name": name, "share": share, "rank": rank}
                        for rank, (name, share) in enumerate(REGIONS.items())
                    ],
                    "type": [
                        {"name": name, "share": 0.5, "cores": cores, "maker": name.upper()}
                        for name, cores in CORES.items()
                    ],
                },
            },
        ],
        "kinds": {
            "host": {
                "noun": "hosts",
                "level": "host",
                "dimensions": {
                    "site": "{site}",
                    "tier": "{site.tier}",
                    "region": "{host.region}",
                    "host": "{host}",
                    "type": "{host.type}",
                    "maker": "{host.type.maker}",
                },
                "measures": [
                    {"name": "cores", "value": "host.type.cores"},
                    {"name": "double", "value": "host.double"},
                ],
            }
        },
    }


MODEL = model_of(document())


def hosts(model: Model = MODEL, seed: int = 1, **options: Any) -> dict[str, list[str]]:
    """The dimensions of all hosts."""
    return Generator(model, seed, **options).tables["host"].dimensions.to_pydict()


MANY = hosts(parameters={"hosts": 50_000})


def counted(words: list[str], options: list[str]) -> list[int]:
    return [words.count(each) for each in options]


def test_options_have_their_shares() -> None:
    counts = counted(MANY["region"], list(REGIONS))
    wanted = np.array(list(REGIONS.values())) * len(MANY["region"])
    assert stats.chisquare(counts, wanted).pvalue > 0.001


def test_shares_are_as_random_as_draws() -> None:
    """Over many choices, deviations from the shares are those of independent draws."""
    listed = [{"name": name, "share": share} for name, share in REGIONS.items()]
    rows = np.arange(2_000)
    wanted = np.array(list(REGIONS.values())) * len(rows)
    found = []
    for number in range(200):
        level = Level(name="x", count="1", label="x", choices={f"c{number}": listed})
        keys = place_keys(level, np.zeros(len(rows), np.uint64), rows, None)
        chosen = choice_columns(level, keys)[f"x.c{number}"]
        assert isinstance(chosen, TextColumn)
        counts = [(chosen.codes == chosen.words.index(name)).sum() for name in REGIONS]
        found.append(stats.chisquare(counts, wanted).pvalue)
    assert stats.kstest(found, "uniform").pvalue > 0.001


def test_choices_are_independent() -> None:
    """Of each other, of the position, and of the row above."""
    region, kind = MANY["region"], MANY["type"]
    table = [[(one, other) for one, other in zip(region, kind, strict=True)].count((a, b))
             for a in REGIONS for b in CORES]  # fmt: skip
    assert stats.chi2_contingency(np.reshape(table, (3, 2))).pvalue > 0.001
    is_small = np.array([each == "small" for each in kind])
    assert abs(np.corrcoef(is_small[1:], is_small[:-1])[0, 1]) < 0.01
    first, second = np.split(is_small, 2)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.015


def test_attributes_are_those_of_the_option() -> None:
    made = Generator(MODEL, 1)
    (batch,) = made.batches([TIMESTAMP])
    found = batch.to_pydict()
    assert [CORES[each] for each in found["type"]] == found["cores"]
    assert [2 * each for each in found["cores"]] == found["double"]
    assert [each.upper() for each in found["type"]] == found["maker"]
    assert {place.split("-")[0] for place in found["host"]} == {"a", "b"}


def test_a_choice_is_the_same_for_all_below() -> None:
    tiers = dict(zip(MANY["site"], MANY["tier"], strict=True))
    assert MANY["tier"] == [tiers[site] for site in MANY["site"]]


def test_seed_number_of_rows_and_other_rows_do_not_matter() -> None:
    few = hosts()
    assert hosts(seed=2**63) == few
    of_a = [place for place, site in enumerate(MANY["site"]) if site == "a"][:100]
    assert [MANY["host"][place] for place in of_a] == few["host"][:100]
    assert [MANY["type"][place] for place in of_a] == few["type"][:100]
    more = hosts(model_of(document("x", "a")))
    assert more["host"][100:] == few["host"][:100]


def test_filters_and_shards_change_no_choice() -> None:
    rows = list(zip(*hosts().values(), strict=True))
    large = list(zip(*hosts(include={"type": ["large"]}).values(), strict=True))
    assert large == [row for row in rows if row[4] == "large"]
    other = list(zip(*hosts(exclude={"region": ["us-east-1"]}).values(), strict=True))
    assert other == [row for row in rows if row[2] != "us-east-1"]
    parts = [hosts(shard=Shard(number, 3)).values() for number in (1, 2, 3)]
    assert [row for part in parts for row in zip(*part, strict=True)] == rows


def options(content: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = content["levels"][1]["choices"]["type"]
    return found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: options(d).clear(),
            "each option of the choice 'type' needs",
        ),
        (lambda d: options(d)[0].pop("name"), "the choice 'type' needs a name"),
        (lambda d: options(d)[0].update(name="large"), "two options of the choice 'type'"),
        (lambda d: options(d)[0].pop("cores"), "the options of the choice 'type' differ"),
        (lambda d: [each.pop("share") for each in options(d)], "needs a share"),
        (lambda d: options(d)[0].update(share="half"), "needs a share"),
        (lambda d: options(d)[0].update(share=0.7), "add up to 1 in the choice 'type'"),
        (lambda d: options(d)[0].update(cores=2.5), "'cores' must be an integer in all"),
        (lambda d: d["levels"][1]["choices"].update(index=options(d)), "defines 'index' twice"),
        (lambda d: d["levels"][1]["numbers"].update(type="1"), "defines 'type' twice"),
        (lambda d: d["levels"][1]["choices"].update({"a b": options(d)}), "must be letters and _"),
        (lambda d: d["levels"][1].update(label="{host.typ}"), "refers to 'host.typ'"),
    ],
)
def test_mistakes(change: Any, message: str) -> None:
    content = document()
    change(content)
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        model_of(content)
