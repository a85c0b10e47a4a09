"""Options as data, as text and as a description of a run: each form says the same."""

import argparse
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from fleetstream.cli.parser import CommandParser
from fleetstream.cli.run_options import add_run_options, run_options
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.run import options as table
from fleetstream.run.manifest import Manifest, read_manifest, write_manifest
from fleetstream.run.options import OPTIONS, changed, command_arguments, make_spec
from fleetstream.run.spec import TARGET_FIELDS, RunSpec
from tests.run.specs import specs


def parsed(arguments: list[str]) -> dict[str, Any]:
    """What commands read from a command line with these options."""
    parser = CommandParser(exit_on_error=False)
    add_run_options(parser)
    return run_options(parser.parse_args(arguments))


@given(specs())
def test_options_round_trip_through_a_command_line(spec: RunSpec) -> None:
    assert make_spec(**parsed(command_arguments(spec))) == spec


@settings(max_examples=50)
@given(spec=specs(resolved=True))
def test_options_round_trip_through_a_manifest_and_its_repeat_command(
    spec: RunSpec, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("run") / "run.json"
    write_manifest(path, Manifest(spec=spec))
    again = read_manifest(path).spec
    assert again == spec
    assert make_spec(**parsed(command_arguments(again))) == spec


@given(specs())
def test_values_are_taken_as_they_are(spec: RunSpec) -> None:
    assert make_spec(**table.given(spec)) == spec
    assert changed(spec) == spec


def test_every_field_has_one_option_and_every_option_one_field() -> None:
    fields = [option.field for option in OPTIONS]
    own = [option.field for option in OPTIONS if not option.entry]
    assert sorted(own) == sorted(RunSpec.__struct_fields__)
    assert len(fields) == len(set(fields))
    keyed = {option.field for option in OPTIONS if option.keyed}
    assert {option.entry[0] for option in OPTIONS if option.entry} < keyed
    names = [name for option in OPTIONS for name in (option.name, *option.flags)]
    assert len(names) == len(set(names))
    assert set(TARGET_FIELDS) < set(fields)
    annotations = RunSpec.__annotations__
    for option in OPTIONS:
        if not option.entry:
            assert option.is_switch == (annotations[option.field] in (bool, "bool"))


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("seed", "many", "'many' is not an integer"),
        ("seed", "18446744073709551616", "The seed is 18446744073709551616, but must be"),
        ("seed", "-1", "The seed is -1, but must be"),
        ("concurrency", "0", "0 is too low; the least is 1"),
        ("rate", "0", "the least is 1"),
        ("workers", "0", "0 is too low"),
        ("missing_cpu", "101", "a percentage is from 0 to 100"),
        ("missing_cpu", "nan", "a percentage is from 0 to 100"),
        ("duplicate", "100.1%", "out of range"),
        ("out_of_order", "many", "'many' is not a percentage"),
        ("late", "1%", "does not say how late"),
        ("late", "1%:soon", "'soon' is not a duration"),
        ("late", "1%:0", "0 is not late"),
        ("late", "101%:5m", "out of range"),
        ("late", "-1%:5m", "out of range"),
        ("late", "1%:0.5ms", "write whole milliseconds"),
        ("interval", "0", "is not an interval"),
        ("interval", "0.5ms", "is not an interval"),
        ("interval", "400d", "is not an interval"),
        ("interval", "soon", "is not a duration"),
        ("max_lag", "1.0001s", "write whole milliseconds"),
        ("max_lag", "9" * 400 + "d", "the longest duration is"),
        ("give_up_after", "9" * 400 + "d", "the longest duration is"),
        ("give_up_after", "5", "write numbers with a unit"),
        ("start", "yesterday", "is not a time"),
        ("start", "-1x", "is not a time"),
        ("start", "1950-01-01", "from 1970 to 9999"),
        ("start", "-99999d", "from 1970 to 9999"),
        ("start", "9" * 400 + "d", "the longest duration is"),
        ("shard", "2", "write it as 2/4"),
        ("sin_frq_cpu", "x", "There is no frequency 'x'"),
        ("record_model", "x", "There is no record model 'x'"),
        ("include_region", ",", "has no names"),
        ("to", "duckdb:\udcff", "not valid Unicode"),
        ("incident", "", "is not an incident; write its name"),
        ("incident", "start=+10m for=3m", "is not an incident; write its name"),
        ("incident", "leak service", "is not an incident; write its name"),
        ("incident", "leak 'start=+1m", "is not an incident; write its name"),
        ("incident", "leak start=+1m start=+2m for=1m", "says start= more than once"),
        ("incident", "leak place=a start=+1m for=1m place=b", "says place= more than once"),
        ("incident", "leak for=3m", "does not say start="),
        ("incident", "leak start=+3m", "does not say for="),
        ("incident", "leak start=+3m for=0", "has no duration"),
        ("incident", "leak start=soon for=3m", "'soon' is not a time"),
        ("incident", "leak start=10m for=3m", "a distance from the beginning of the run such as"),
        ("incident", "leak start=+3m for=soon", "'soon' is not a duration"),
        ("incident", "leak start=+3m for=3m severity=2", "'2' is not a severity"),
        ("incident", "leak start=1950-01-01 for=3m", "from 1970 to 9999"),
        ("incidents", "maybe", "'maybe' is none of on, scheduled, off"),
    ],
)
def test_text_that_is_not_understood_has_its_message(option: str, text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        make_spec(**{option: text})
    assert message in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("interval", 1_500),
        ("interval", 10**18),
        ("start", 10**20),
        ("max_lag", -1),
        ("give_up_after", float("inf")),
        ("give_up_after", float("nan")),
        ("set", {"host_scale": 1.5}),
        ("include", {"region": 7}),
        ("include", ["region"]),
        ("host_scale", 1.5),
        ("include_region", [7]),
        ("follow", "yes"),
        ("late", (1, 5)),
        ("seed", []),
        ("duplicate", -0.1),
        ("to", 7),
        ("shard", object()),
        ("incident", [7]),
    ],
)
def test_values_of_the_wrong_type_or_size_raise_value_errors(option: str, value: object) -> None:
    with pytest.raises(ValueError, match="options of a run are not valid"):
        make_spec(**{option: value})


def test_an_option_that_does_not_exist_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="no option 'pace'"):
        make_spec(pace=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"end": "-1h"}, "--end needs --start"),
        ({"follow": True, "interval": "1s"}, "--follow needs --start"),
        ({"max_lag": "3s"}, "--max-lag needs --interval"),
        ({"start": "-1h", "interval": "1s", "max_lag": "3s"}, "add --follow"),
        (
            {"start": "-2h", "end": "-1h", "interval": "1s", "follow": True},
            "leave out --end or --follow",
        ),
        ({"start": "-1h", "end": "-2h", "interval": "1s"}, "--end must be later than --start"),
        (
            {
                "start": "2026-01-01T00:00:01Z",
                "end": "2026-01-01T00:00:02Z",
                "interval": "1h",
            },
            "No multiple of --interval lies between",
        ),
        ({"shard": "1/2"}, "--shard needs --seed"),
        ({"sin_signal_cpu": "5", "saw_signal_cpu": "5"}, "either --sin-signal-cpu or"),
        ({"late": "60%:5m", "out_of_order": "60%"}, "more than 100% together"),
        ({"workers": "2"}, "--workers is for a Ray cluster"),
        ({"ray": "local"}, "--ray needs --workers"),
        ({"ray": "local", "workers": "2", "processes": "2"}, "leave one of them out"),
    ],
)
def test_every_contradiction_has_its_message(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        make_spec(**options)
    assert message in str(caught.value)
    assert str(caught.value).count(".") == str(caught.value).rstrip().endswith(".")
    assert "$" not in str(caught.value)


NOON = 1_793_534_400 * MICROSECONDS


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"seed": NOON // MICROSECONDS}),
        ({"seed": 7}, {"seed": 7}),
        ({"seed": 7, "interval": "1s"}, {"seed": 7, "interval": MICROSECONDS}),
        (
            {"seed": 7, "start": "2026-11-01"},
            {
                "seed": 7,
                "start": NOON - 12 * 3_600 * MICROSECONDS,
                "end": NOON,
                "interval": 10 * MICROSECONDS,
            },
        ),
        (
            {"seed": 7, "start": "2026-11-01", "follow": True},
            {
                "seed": 7,
                "start": NOON - 12 * 3_600 * MICROSECONDS,
                "follow": True,
                "interval": 10 * MICROSECONDS,
            },
        ),
    ],
)
def test_a_resolved_run_depends_on_no_clock(
    options: dict[str, Any], expected: dict[str, Any]
) -> None:
    spec = make_spec(**options)
    resolved = spec.resolved(NOON)
    assert table.given(resolved) == expected
    assert resolved.is_resolved
    assert spec.is_resolved == (spec == resolved)
    assert resolved.resolved(NOON + 10**12) == resolved


def test_history_from_the_future_needs_an_end() -> None:
    spec = make_spec(start=NOON + MICROSECONDS)
    with pytest.raises(ValueError, match="--start is in the future"):
        spec.resolved(NOON)
    both = make_spec(start=NOON + MICROSECONDS, end=NOON + 60 * MICROSECONDS)
    assert both.resolved(NOON).is_resolved


def test_history_shorter_than_its_interval_is_refused_when_its_end_is_known() -> None:
    with pytest.raises(ValueError, match="No multiple of --interval"):
        make_spec(start=NOON - MICROSECONDS + 1, interval="1h").resolved(NOON)


def test_the_target_is_a_part_of_the_options() -> None:
    spec = make_spec(to=f"duckdb:{Path('x')}.duckdb", table_name="t", seed=7)
    assert spec.target.given == {"table_name": "t"}
    assert spec.target.scheme == "duckdb"


def test_short_forms_are_entries_of_other_options() -> None:
    short = make_spec(host_scale=2, include_region="us-east-1", include_ms=("zeus", "apollo"))
    long = make_spec(
        set="host_scale=2",
        include={"region": ("us-east-1",), "microservice_name": ("zeus", "apollo")},
    )
    assert short == long
    assert command_arguments(long) == [
        *("--host-scale", "2", "--include-region", "us-east-1", "--include-ms", "zeus,apollo")
    ]


def test_objects_of_the_standard_library_stand_for_their_text() -> None:
    objects = make_spec(
        model=Path("pumps.toml"),
        start=datetime(2026, 11, 2, 1, tzinfo=timezone(timedelta(hours=1))),
        end=date(2026, 11, 3),
        interval=timedelta(seconds=1.5),
        give_up_after=timedelta(minutes=3),
        include={"region": "a,b"},
        set={"hosts": "3"},
    )
    assert objects == make_spec(
        model="pumps.toml",
        start="2026-11-02T00:00Z",
        end="2026-11-03",
        interval="1500ms",
        give_up_after="3m",
        include="region=a,b",
        set="hosts=3",
    )


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("interval", timedelta(microseconds=1)),
        ("interval", -timedelta(seconds=1)),
        ("set", {"hosts": "many"}),
        ("include", {"region": 7}),
    ],
)
def test_objects_are_checked_as_their_text_is(option: str, value: object) -> None:
    with pytest.raises(ValueError):
        make_spec(**{option: value})


def test_repeated_options_add_up() -> None:
    given = ["--include", "a=x,y", "--include", "b=z", "--include", "a=y,w", "--exclude", "c=v"]
    spec = make_spec(**parsed([*given, "--include-region", "r", "--include", "region=s"]))
    assert spec.include == {"a": ("x", "y", "w"), "b": ("z",), "region": ("s", "r")}
    assert spec.exclude == {"c": ("v",)}
    assert make_spec(**parsed(["--set", "a=1", "--set", "b=-2"])).set == {"a": 1, "b": -2}


def test_a_parameter_has_one_value() -> None:
    with pytest.raises(argparse.ArgumentError, match="a is set to 1 and to 2; leave one of them"):
        parsed(["--set", "a=1", "--set", "a=2"])
    with pytest.raises(ValueError, match="host_scale is set to 3 and to 2; leave one of them out"):
        make_spec(host_scale=2, set="host_scale=3")
    assert make_spec(host_scale=2, set="host_scale=2").set == {"host_scale": 2}
