"""The page about the cause of an outage: its code finds what the labels say, and prints that."""

from typing import Any

import pytest
from docs.building import root_cause


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """The names that the code of the page defines."""
    page, names = root_cause.executed()
    assert page == root_cause.PAGE.read_text(), "stale; run `make docs`"
    return names


def place_of(label: dict[str, Any]) -> str:
    return " / ".join(text for _, text in label["place"])


def test_silos_that_are_out_are_suspected_and_those_that_take_over_are_not(
    shown: dict[str, Any],
) -> None:
    outages = [row for row in shown["labels"] if row["incident"] == "silo-outage"]
    began = {place_of(row) for row in outages if row["parent"] is None}
    spread = {place_of(row) for row in outages if row["parent"] is not None}
    suspects = {place for place, *_ in shown["found"]}
    assert len(began) == 5
    assert began <= suspects
    assert spread - began
    assert not (spread - began) & suspects


def test_every_suspect_is_the_place_of_a_cause_while_it_lasts(shown: dict[str, Any]) -> None:
    for place, first, last, surprise in shown["found"]:
        assert surprise > 20
        causes = [row for row in shown["labels"] if place_of(row) == place and not row["parent"]]
        assert any(row["start"] <= first <= last < row["end"] for row in causes)
