"""The options of a run: one table, with an entry per field of :class:`RunSpec`.

Parser, help, reference, manifest check and the command that repeats a run are derived from it.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from fleetstream.generate.choices import PERIODS
from fleetstream.generate.moments import iso
from fleetstream.run.notation import (
    at_least,
    read_duration,
    read_filter,
    read_frequency,
    read_incident,
    read_incident_choice,
    read_integer,
    read_interval,
    read_lag,
    read_lateness,
    read_moment,
    read_names,
    read_percentage,
    read_record_model,
    read_setting,
    read_shard,
    write_duration,
    write_filter,
    write_incident,
    write_lateness,
    write_microseconds,
    write_names,
    write_number,
    write_percentage,
    write_setting,
)
from fleetstream.run.spec import RunSpec
from fleetstream.targets.registry import DEFAULT_TARGET, target_urls


class Group(StrEnum):
    """The headings of help, in their order."""

    TARGET = "Target"
    FLEET = "Fleet"
    VALUES = "Values"
    SCHEDULE = "Schedule"
    DISORDER = "Disorder"
    DELIVERY = "Delivery"
    WORKERS = "Workers"
    DISPLAY = "Display"
    MANIFEST = "Manifest"
    PREVIEW = "Preview"


@dataclass(frozen=True, slots=True)
class Option:
    """One option, on the command line ``--field`` with hyphens.

    ``read`` turns its text into a value and raises ValueError, ``write`` does the reverse; a switch
    has neither. ``flags`` are other spellings. ``common`` options are shown by ``--help``, the
    others only by ``--help-all``. What an option with ``changes_data`` says determines what is
    written and where, so it cannot be changed when a run is resumed.

    An option that is ``keyed`` can be repeated; its value is a dictionary with the entries of all
    of them. One that is ``repeated`` can be too; its value is a tuple. An option with an ``entry``
    is a short form for a key of another option, and no field of :class:`RunSpec`.
    """

    field: str
    group: Group
    help: str
    metavar: str | None = None
    read: Callable[[str], Any] | None = None
    write: Callable[[Any], str] = str
    flags: tuple[str, ...] = ()
    common: bool = False
    changes_data: bool = True
    keyed: bool = False
    repeated: bool = False
    entry: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """Its name on the command line."""
        return f"--{self.field.replace('_', '-')}"

    @property
    def is_switch(self) -> bool:
        return self.read is None

    def arguments(self, value: Any) -> list[str]:
        """What stands for ``value`` on a command line."""
        if self.is_switch:
            return [self.name]
        if self.keyed:
            return [text for key, each in value.items() for text in self._entry(key, each)]
        if self.repeated:
            return [text for each in value for text in self._with(each)]
        return self._with(value)

    def value(self, given: Any) -> Any:
        """What is given for it from Python, with text read as on the command line.

        Paths, dates and durations of the standard library stand for their text.
        """
        if self.read is None:
            return given
        given = _as_text(given)
        if self.keyed and isinstance(given, Mapping):
            return {key: self._entry_value(key, each) for key, each in given.items()}
        if self.repeated:
            several = [given] if isinstance(given, str) else given
            return tuple(self.read(each) if isinstance(each, str) else each for each in several)
        return self.read(given) if isinstance(given, str) else given

    def _entry_value(self, key: str, given: Any) -> Any:
        """What is given for one entry, with text read as on the command line."""
        if self.read is None or not isinstance(given, str):
            return given
        (value,) = self.read(f"{key}={given}").values()
        return value

    def _entry(self, key: str, value: Any) -> list[str]:
        """What stands for one entry: its short form where it has one."""
        for option in OPTIONS:
            if option.entry == (self.field, key):
                return option.arguments(value)
        return self._with({key: value})

    def _with(self, value: Any) -> list[str]:
        text = self.write(value)
        return [f"{self.name}={text}"] if text.startswith("-") else [self.name, text]


def _as_text(given: Any) -> Any:
    """The text of a path, a date or a duration; anything else as it is."""
    if isinstance(given, os.PathLike):
        return os.fspath(given)
    if isinstance(given, date):
        return given.isoformat()
    if isinstance(given, timedelta):
        return f"{Decimal(given // timedelta(microseconds=1)) / 1_000:f}ms"
    return given


def _signal(short: str, shape: str) -> Iterator[Option]:
    yield Option(
        f"{short}_signal_cpu", Group.VALUES,
        f"overlay the CPU load with a {shape} of this signal-to-noise ratio: 0 no signal, 100 no "
        "noise (default: 0)",
        "RATIO", read_percentage, write_number,
    )  # fmt: skip
    yield Option(
        f"{short}_frq_cpu", Group.VALUES,
        f"the {shape}'s period: {' | '.join(PERIODS)} (default: m, one minute)",
        "PERIOD", read_frequency,
    )  # fmt: skip


# fmt: off
OPTIONS: tuple[Option, ...] = (
    Option("to", Group.TARGET,
           f"{target_urls()} (default: timestream if one of its own options is given, else "
           f"{DEFAULT_TARGET})", "URL", str, common=True),
    Option("database_name", Group.TARGET,
           "the database, which must exist in Timestream; in DuckDB the schema (default: main)",
           "NAME", str, flags=("-d",), common=True),
    Option("table_name", Group.TARGET,
           "the table, which must exist in Timestream and is created in DuckDB and "
           "PostgreSQL (default: telemetry); in Prometheus the label job, in OTLP the attribute "
           "service.namespace (default: fleetstream)",
           "NAME", str, flags=("-t",), common=True),
    Option("region", Group.TARGET, "the AWS region of the Timestream service, such as us-east-1",
           "REGION", str, flags=("-r", "-e", "--endpoint"), common=True),
    Option("endpoint_url", Group.TARGET,
           "the endpoint that your account is mapped to (default: discovered)",
           "URL", str, flags=("-url",)),
    Option("read_url", Group.TARGET,
           "where to query and verify, if that is another address than the one to write to: the "
           "read-only endpoint of an InfluxDB cluster, or the query API beside a remote write",
           "URL", str, changes_data=False),
    Option("profile", Group.TARGET, "the AWS profile to use", "NAME", str),
    Option("record_model", Group.TARGET,
           "single: one record per value; multi: one record per series and timestamp (default: "
           "single)", "MODEL", read_record_model),
    Option("model", Group.FLEET, "the model to simulate: a name that `fleetstream model list` "
           "lists, or a TOML file (default: aws-devops)", "NAME", str, common=True),
    Option("set", Group.FLEET,
           "set a parameter of the model, such as host_scale=2; can be repeated", "NAME=VALUE",
           read_setting, write_setting, common=True, keyed=True),
    Option("host_scale", Group.FLEET,
           "multiply the instances of each microservice in each silo (default: 1, 1,010 hosts)",
           "N", read_integer, flags=("-s",), common=True, entry=("set", "host_scale")),
    Option("include", Group.FLEET,
           "only what has one of these values of a dimension, such as "
           "instance_type=r5.4xlarge,m5.4xlarge; can be repeated (default: all)",
           "DIMENSION=LIST", read_filter, write_filter, common=True, keyed=True),
    Option("exclude", Group.FLEET,
           "not what has one of these values of a dimension; can be repeated (default: nothing)",
           "DIMENSION=LIST", read_filter, write_filter, keyed=True),
    Option("include_region", Group.FLEET,
           "only these regions, as --include region=LIST does", "LIST", read_names,
           write_names, common=True, entry=("include", "region")),
    Option("include_ms", Group.FLEET,
           "only these microservices, as --include microservice_name=LIST does", "LIST",
           read_names, write_names, entry=("include", "microservice_name")),
    Option("shard", Group.FLEET,
           "only the I-th of N equal parts of the fleet, to share it among machines", "I/N",
           read_shard),
    Option("seed", Group.VALUES,
           "the seed of all random numbers (default: the current time; it is printed)", "SEED",
           read_integer, common=True),
    Option("missing_cpu", Group.VALUES,
           "how often the CPU values of a host are missing, in per cent (default: 0)", "PERCENT",
           read_percentage, write_number),
    *_signal("sin", "sine"),
    *_signal("saw", "sawtooth"),
    Option("incidents", Group.VALUES,
           "on | scheduled | off: whether the model's incidents happen, only those with a stated "
           "time, or none; all values that they do not affect are the same (default: on)", "CHOICE",
           read_incident_choice),
    Option("incident", Group.VALUES,
           "have an incident of the model happen, such as 'memory-leak service=checkout start=+10m "
           "for=30m severity=0.7', from ten minutes after the run's start on; can be repeated",
           "WHAT", read_incident, write_incident, repeated=True),
    Option("autostop", Group.SCHEDULE, "stop after N measurements of every series (default: 0, "
           "never)", "N", at_least(0), common=True),
    Option("interval", Group.SCHEDULE,
           "the time between two sweeps, such as 10s, at multiples of which the fleet is swept "
           "however slow the target is (default: as often as the target allows, at most once per "
           "second; 10s with --start)", "TIME", read_interval, write_microseconds, common=True),
    Option("start", Group.SCHEDULE,
           "write history from here on, as fast as the target takes it: a time such as "
           "2026-11-01T00:00:00Z, or an age such as 24h", "WHEN", read_moment, iso, common=True),
    Option("end", Group.SCHEDULE, "the end of history, not included (default: now)", "WHEN",
           read_moment, iso),
    Option("follow", Group.SCHEDULE, "when history is written, continue live"),
    Option("max_lag", Group.SCHEDULE,
           "skip live sweeps that could not start within this time (default: make up for all)",
           "TIME", read_lag, write_microseconds),
    Option("rate", Group.SCHEDULE, "write at most N values per second (default: no limit)", "N",
           at_least(1), changes_data=False),
    Option("late", Group.DISORDER,
           "send a percentage of all measurements later, by up to a time, such as 1%:5m",
           "PERCENT:TIME", read_lateness, write_lateness),
    Option("out_of_order", Group.DISORDER,
           "send a percentage after the measurements of the next sweep, such as 1%", "PERCENT",
           read_percentage, write_percentage),
    Option("duplicate", Group.DISORDER, "send a percentage twice, such as 0.1%", "PERCENT",
           read_percentage, write_percentage),
    Option("always_connected", Group.DISORDER,
           "send everything at once that the model sends later, where its series lose their "
           "connection"),
    Option("concurrency", Group.DELIVERY, "requests in flight at once (default: 10)", "N",
           at_least(1), flags=("-c",), common=True, changes_data=False),
    Option("give_up_after", Group.DELIVERY,
           "give up a request that has failed for this long, and end the run if no other request "
           "succeeded meanwhile; 0 never gives up (default: 5m)", "TIME", read_duration,
           write_duration, changes_data=False),
    Option("undelivered", Group.DELIVERY,
           "the folder for records that were not stored, created when there are some (default: "
           "fleetstream-undelivered)", "PATH", str, changes_data=False),
    Option("processes", Group.WORKERS,
           "processes that generate and send; 0 means one per core (default: 1)", "N",
           at_least(0), changes_data=False),
    Option("ray", Group.WORKERS,
           "have workers on a Ray cluster generate and send: HOST:PORT, or local", "ADDRESS", str,
           changes_data=False),
    Option("workers", Group.WORKERS, "workers on the Ray cluster, each with one core", "N",
           at_least(1), changes_data=False),
)
# fmt: on

RUN_GROUPS = tuple(dict.fromkeys(option.group for option in OPTIONS))
"""The groups that options of a run are in; commands add options of their own in others."""

BY_FIELD = {option.field: option for option in OPTIONS}


def make_spec(**options: Any) -> RunSpec:
    """A description of a run from options by field name; text is read as on the command line.

    For example ``make_spec(seed=7, start="-1h", interval="10s", to="duckdb:fleet.duckdb")``. Raises
    ValueError for a value that is not understood, TypeError for an unknown option.
    """
    return changed(RunSpec(), **options)


def changed(spec: RunSpec, **options: Any) -> RunSpec:
    """The description with other options, which are read and checked as by :func:`make_spec`."""
    values = msgspec.structs.asdict(spec)
    entries = []
    for field, value in options.items():
        option = BY_FIELD.get(field)
        if option is None:
            raise TypeError(f"A run has no option {field!r}.")
        read = option.value(value)
        if option.entry is None:
            values[field] = read
        elif read != ():
            entries.append((option.entry, read))
    for (field, key), value in entries:
        values[field] = merged(values[field], {key: value})
    try:
        msgspec.json.encode(values)  # text from a command line may have bytes that are not UTF-8
        return msgspec.convert(msgspec.to_builtins(values), RunSpec)
    except UnicodeEncodeError as error:
        raise ValueError(f"{error.object!r} is not valid Unicode text.") from error
    except msgspec.ValidationError as error:
        if error.__cause__ is not None:
            raise ValueError(str(error)) from error
        raise ValueError(f"The options of a run are not valid: {error}.") from error
    except TypeError as error:
        raise ValueError(f"The options of a run are not valid: {error}.") from error


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The entries of two values of a keyed option; all names where both have some for a key.

    Raises ValueError where they set a key to different numbers.
    """
    both = dict(one)
    for key, value in other.items():
        if key in one and isinstance(value, tuple):
            both[key] = tuple(dict.fromkeys([*one[key], *value]))
        elif one.get(key, value) != value:
            raise ValueError(f"{key} is set to {one[key]} and to {value}; leave one of them out.")
        else:
            both[key] = value
    return both


def given(spec: RunSpec) -> dict[str, Any]:
    """The options of a run that differ from their defaults, by field, in the table's order."""
    default = RunSpec()
    values = {option.field: getattr(spec, option.field) for option in OPTIONS if not option.entry}
    return {field: value for field, value in values.items() if value != getattr(default, field)}


def command_arguments(spec: RunSpec, groups: Iterable[Group] = RUN_GROUPS) -> list[str]:
    """The command-line arguments that describe a run, without its defaults.

    Only options of ``groups`` are among them.
    """
    options = [(BY_FIELD[field], value) for field, value in given(spec).items()]
    return [
        argument
        for option, value in options
        if option.group in groups
        for argument in option.arguments(value)
    ]
