"""Options that several commands share, and how their values are read."""

import argparse
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fleetstream.fleet import MICROSERVICES, REGIONS, Fleet, Shard
from fleetstream.generate.records import RecordModel
from fleetstream.generate.signals import MICROSECONDS, PERIODS, Shape, Signal
from fleetstream.targets.registry import DEFAULT_TARGET, FORMS, TargetOptions
from fleetstream.workload import Workload

LATEST = 253_402_300_800 * MICROSECONDS
"""The end of the year 9999, where ISO 8601's years end too."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def whole_number(text: str) -> int:
    """A whole number, or a sentence on why it is none."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number.") from None


def at_least(least: int) -> Callable[[str], int]:
    """Reads whole numbers that are not below ``least``."""

    def read(text: str) -> int:
        number = whole_number(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"{number} is too low; the least is {least}.")
        return number

    return read


def port(text: str) -> int:
    """A TCP port, or a sentence on why it is none."""
    number = whole_number(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"{number} is no port; one is from 0 to 65535.")
    return number


def percentage(text: str) -> float:
    """A number from 0 to 100, or a sentence on why it is none."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number.") from None
    if not 0 <= number <= 100:
        raise argparse.ArgumentTypeError(f"{text} is out of range; it must be from 0 to 100.")
    return number


def dollars(text: str) -> float:
    """A price in US dollars, or a sentence on why it is none."""
    try:
        price = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number.") from None
    if not 0 <= price < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no price; one is 0 or more.")
    return price


def one_of(what: str, known: list[str]) -> Callable[[str], tuple[str, ...]]:
    """Reads comma-separated lists of names, of which there must be at least one."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(name.strip() for name in text.split(",") if name.strip())
        if not names:
            raise argparse.ArgumentTypeError(
                f"{text!r} names no {what}; choose among {', '.join(known)}."
            )
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"there is no {what} {name!r}; choose among {', '.join(known)}."
                )
        return names

    return read


def shard(text: str) -> Shard:
    """A part of the fleet, from a text like 2/4."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} names no part; write it like 2/4.")
    return Shard(int(match[1]), int(match[2]))


def frequency(text: str) -> str:
    """The code of a signal's period, or a sentence on why it is none."""
    if text not in PERIODS:
        raise argparse.ArgumentTypeError(
            f"there is no frequency {text!r}; choose among {', '.join(PERIODS)}."
        )
    return text


def add_fleet_options(parser: argparse.ArgumentParser) -> None:
    """Who emits: the options that make a :class:`~fleetstream.fleet.Fleet`."""
    group = parser.add_argument_group("the fleet")
    group.add_argument(
        "-s",
        "--host-scale",
        metavar="N",
        type=at_least(1),
        default=1,
        help="multiply the instances of each microservice in each silo (default: 1, 1,010 hosts)",
    )
    group.add_argument(
        "--include-region",
        metavar="LIST",
        type=one_of("region", [region.name for region in REGIONS]),
        default=(),
        help="only these regions, separated by commas (default: all)",
    )
    group.add_argument(
        "--include-ms",
        metavar="LIST",
        type=one_of("microservice", [service.name for service in MICROSERVICES]),
        default=(),
        help="only these microservices, separated by commas (default: all)",
    )
    group.add_argument(
        "--shard",
        metavar="I/N",
        type=shard,
        default=None,
        help="only the I-th of N equal parts of these hosts, to share them among machines",
    )


def add_value_options(parser: argparse.ArgumentParser) -> None:
    """What they emit: the options that, with a fleet, make a workload."""
    group = parser.add_argument_group("its values")
    group.add_argument(
        "--seed",
        metavar="SEED",
        type=whole_number,
        default=None,
        help="the seed of all random numbers (default: the current time; it is printed)",
    )
    group.add_argument(
        "--missing-cpu",
        metavar="PERCENT",
        type=percentage,
        default=0.0,
        help="how often the CPU values of a host are missing, 0-100 (default: 0)",
    )
    for short, shape in (("sin", "sine"), ("saw", "sawtooth")):
        group.add_argument(
            f"--{short}-signal-cpu",
            metavar="RATIO",
            type=percentage,
            default=0.0,
            help=f"overlay the CPU load with a {shape}, with this signal-to-noise ratio: "
            "0 no signal, 100 no noise (default: 0)",
        )
        group.add_argument(
            f"--{short}-frq-cpu",
            metavar="PERIOD",
            type=frequency,
            default="m",
            help=f"the {shape}'s period: {' | '.join(PERIODS)} (default: m, a minute)",
        )


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """Where to: the options that name a target."""
    group = parser.add_argument_group("the target")
    group.add_argument(
        "--to",
        metavar="URL",
        default=None,
        help=f"{FORMS} (default: timestream if an option of its own is given, else "
        f"{DEFAULT_TARGET})",
    )
    group.add_argument(
        "-d",
        "--database-name",
        metavar="NAME",
        default=None,
        help="the Timestream database, which must exist; in DuckDB the schema (default: main)",
    )
    group.add_argument(
        "-t",
        "--table-name",
        metavar="NAME",
        default=None,
        help="the table: in Timestream it must exist; in DuckDB it is made (default: telemetry)",
    )
    group.add_argument(
        "-r",
        "--region",
        "-e",
        "--endpoint",
        metavar="REGION",
        dest="region",
        default=None,
        help="the AWS region of the Timestream service, such as us-east-1",
    )
    group.add_argument(
        "-url",
        "--endpoint-url",
        metavar="URL",
        default=None,
        help="the Timestream endpoint that your account is mapped to (default: found out)",
    )
    group.add_argument("--profile", metavar="NAME", default=None, help="the AWS profile to use")
    group.add_argument(
        "--record-model",
        metavar="MODEL",
        type=record_model,
        default=RecordModel.SINGLE,
        help="single: a record a value; multi: a record a host or process (default: single)",
    )


def add_delivery_options(parser: argparse.ArgumentParser, *, undelivered: bool = True) -> None:
    """How records are delivered, and what becomes of those that are not."""
    group = parser.add_argument_group("delivery")
    group.add_argument(
        "-c",
        "--concurrency",
        metavar="N",
        type=at_least(1),
        default=10,
        help="requests in flight at once (default: 10)",
    )
    group.add_argument(
        "--give-up-after",
        metavar="TIME",
        type=duration,
        default=300.0,
        help="end the run when nothing could be delivered for so long; 0 never (default: 5m)",
    )
    if undelivered:
        group.add_argument(
            "--undelivered",
            metavar="PATH",
            type=Path,
            default=Path("fleetstream-undelivered"),
            help="the folder for records that were not stored, made only when there are some "
            "(default: fleetstream-undelivered)",
        )


def add_processes_option(group: "argparse._ArgumentGroup") -> None:
    """How many processes share the work."""
    group.add_argument(
        "--processes",
        metavar="N",
        type=at_least(0),
        default=1,
        help="processes that generate and send; 0 means one a core (default: 1)",
    )


def add_cluster_options(group: "argparse._ArgumentGroup") -> None:
    """A Ray cluster that shares the work."""
    group.add_argument(
        "--ray",
        metavar="ADDRESS",
        default=None,
        help="have workers on a Ray cluster generate and send: HOST:PORT, or local",
    )
    group.add_argument(
        "--workers",
        metavar="N",
        type=at_least(1),
        default=None,
        help="how many workers on the cluster, each with a core",
    )


def duration(text: str) -> float:
    """Seconds, from a number with a unit (ms, s, m, h or d) or the bare number 0."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if match:
        return float(match[1]) * _UNITS[match[2]]
    if text == "0":
        return 0.0
    raise argparse.ArgumentTypeError(
        f"{text!r} is not a time; write it with a unit, such as 30s, 5m or 24h."
    )


def moment(text: str) -> int:
    """Microseconds of Unix time, from ISO 8601 (UTC unless it says otherwise) or an age.

    An age is a duration with a sign, -24h for a day ago, counted from now.
    """
    if text[:1] in ("-", "+"):
        away = round(duration(text[1:]) * MICROSECONDS)
        microseconds = time.time_ns() // 1_000 + (away if text[0] == "+" else -away)
    else:
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a time; write it like 2026-11-01T00:00:00Z, or as an age such "
                "as -24h."
            ) from None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        microseconds = (when - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
    if not 0 <= microseconds < LATEST:
        raise argparse.ArgumentTypeError(f"{text} is not in the years from 1970 to 9999.")
    return microseconds


def record_model(text: str) -> RecordModel:
    """A record model by name, or a sentence on why it is none."""
    if text not in list(RecordModel):
        raise argparse.ArgumentTypeError(
            f"there is no record model {text!r}; choose among {', '.join(RecordModel)}."
        )
    return RecordModel(text)


def workload_of(options: argparse.Namespace) -> Workload:
    """The workload that the options describe; raises :class:`ValueError` with a sentence."""
    if options.sin_signal_cpu and options.saw_signal_cpu:
        raise ValueError(
            "Both a sine and a sawtooth are asked for; give either --sin-signal-cpu or "
            "--saw-signal-cpu."
        )
    signal = None
    if options.sin_signal_cpu:
        signal = Signal(Shape.SINE, options.sin_signal_cpu, options.sin_frq_cpu)
    elif options.saw_signal_cpu:
        signal = Signal(Shape.SAWTOOTH, options.saw_signal_cpu, options.saw_frq_cpu)
    fleet = Fleet(options.host_scale, options.include_region, options.include_ms, options.shard)
    seed = int(time.time()) if options.seed is None else options.seed
    return Workload(fleet, seed, signal, options.missing_cpu)


def target_of(options: argparse.Namespace) -> TargetOptions:
    """The target that the options name."""
    return TargetOptions(
        to=options.to,
        database_name=options.database_name,
        table_name=options.table_name,
        region=options.region,
        endpoint_url=options.endpoint_url,
        profile=options.profile,
    )
