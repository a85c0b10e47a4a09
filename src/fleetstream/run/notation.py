"""Values of options as text: each function that reads has a counterpart that writes.

Functions that read raise ValueError with a message that says what is expected.
"""

import re
import shlex
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from fleetstream.generate.choices import (
    PERIODS,
    IncidentChoice,
    Lateness,
    RecordModel,
    ScheduledIncident,
    Shard,
)
from fleetstream.generate.moments import (
    LATEST,
    MICROSECONDS,
    MILLISECOND,
    from_datetime,
    iso,
    now,
)
from fleetstream.model.durations import PATTERN, UNITS, milliseconds

LONGEST_INTERVAL = 366 * 86_400 * MICROSECONDS


def read_integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an integer.") from None


def at_least(least: int) -> Callable[[str], int]:
    """A function that reads integers from ``least`` on."""

    def read(text: str) -> int:
        number = read_integer(text)
        if number < least:
            raise ValueError(f"{number} is too low; the least is {least}.")
        return number

    return read


_DISTANCE = re.compile(rf"([-+])({PATTERN})")
_AGE = re.compile(rf"([-+]?)({PATTERN})")


def read_incident(text: str) -> ScheduledIncident:
    """An incident, its place and its time.

    From text such as ``memory-leak service=checkout start=+10m for=30m severity=0.7``. A start such
    as +10m or -10m is counted from the beginning of the run. Texts may be quoted as in a shell.
    """
    try:
        name, *settings = shlex.split(text)
    except ValueError:
        name, settings = "", []
    pairs = [setting.partition("=") for setting in settings]
    values = {key: value for key, _, value in pairs}
    if not name or "=" in name or not all(each[1] for each in pairs):
        raise ValueError(
            f"{text!r} is not an incident; write its name, its place and its time, such as "
            "'memory-leak service=checkout start=+10m for=30m severity=0.7'."
        )
    if len(values) < len(pairs):
        keys = [key for key, _, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{text!r} says {twice}= more than once; leave out all but one.")
    for needed in ("start", "for"):
        if needed not in values:
            raise ValueError(f"{text!r} does not say {needed}=; an incident needs start and for.")
    start, duration = values.pop("start"), read_lag(values.pop("for"))
    if not duration:
        raise ValueError(f"{text!r} has no duration; the least is 1ms.")
    severity = values.pop("severity", None)
    distance = _DISTANCE.fullmatch(start)
    return ScheduledIncident(
        name,
        values,
        read_lag(distance[2]) * (-1 if distance[1] == "-" else 1)
        if distance
        else _time(start, "as a distance from the beginning of the run such as +10m"),
        duration,
        None if severity is None else _severity(severity),
        relative=distance is not None,
    )


def write_incident(incident: ScheduledIncident) -> str:
    sign = "-" if incident.start < 0 else "+"
    distance = f"{sign}{write_microseconds(abs(incident.start)) if incident.start else '0s'}"
    words = [
        incident.incident,
        *(f"{level}={text}" for level, text in incident.place.items()),
        f"start={distance if incident.relative else iso(incident.start)}",
        f"for={write_microseconds(incident.duration)}",
    ]
    if incident.severity is not None:
        words.append(f"severity={write_number(incident.severity)}")
    return shlex.join(words)


def _severity(text: str) -> float:
    """A number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ValueError(f"{text!r} is not a severity, which is a number from 0 to 1.")
    return number


def read_percentage(text: str) -> float:
    """A number from 0 to 100, with or without a percent sign."""
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        raise ValueError(f"{text!r} is not a percentage such as 1 or 0.5%.") from None
    if not 0 <= number <= 100:
        raise ValueError(f"{text} is out of range; a percentage is from 0 to 100.")
    return number


def write_number(number: float) -> str:
    """The shortest text of a number that reads as the same number."""
    return repr(number).removesuffix(".0")


def read_names(text: str) -> tuple[str, ...]:
    """Names separated by commas, each once, at least one."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise ValueError(f"{text!r} has no names; separate several by commas.")
    return names


def write_names(names: tuple[str, ...]) -> str:
    return ",".join(names)


def read_setting(text: str) -> dict[str, int]:
    """A parameter of a model and its value, from text such as host_scale=2."""
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise ValueError(f"{text!r} sets nothing; write a name and a value, such as host_scale=2.")
    return {name.strip(): read_integer(value)}


def write_setting(setting: dict[str, int]) -> str:
    return ", ".join(f"{name}={value}" for name, value in setting.items())


def read_filter(text: str) -> dict[str, tuple[str, ...]]:
    """A dimension and some of its values, from text such as size=small,large."""
    dimension, separator, values = text.partition("=")
    if not separator or not dimension.strip():
        raise ValueError(
            f"{text!r} is not a filter; write a dimension and its values, such as "
            "instance_type=r5.4xlarge,m5.4xlarge."
        )
    return {dimension.strip(): read_names(values)}


def write_filter(values: dict[str, tuple[str, ...]]) -> str:
    return "; ".join(f"{dimension}={write_names(each)}" for dimension, each in values.items())


def read_shard(text: str) -> Shard:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match:
        raise ValueError(f"{text!r} is not a part; write it as 2/4.")
    return Shard(int(match[1]), int(match[2]))


def read_frequency(text: str) -> str:
    if text not in PERIODS:
        raise ValueError(f"There is no frequency {text!r}; choose from {', '.join(PERIODS)}.")
    return text


def read_record_model(text: str) -> RecordModel:
    if text not in list(RecordModel):
        raise ValueError(
            f"There is no record model {text!r}; choose from {', '.join(RecordModel)}."
        )
    return RecordModel(text)


def read_incident_choice(text: str) -> IncidentChoice:
    if text not in list(IncidentChoice):
        raise ValueError(f"{text!r} is none of {', '.join(IncidentChoice)}.")
    return IncidentChoice(text)


def read_duration(text: str) -> float:
    """Seconds, from numbers with a unit (d, h, m, s or ms), or from 0."""
    return float(milliseconds(text) / 1_000)


def write_duration(seconds: float) -> str:
    """Seconds in the largest unit that makes them an integer."""
    exact = Decimal(repr(seconds))
    return _in_units(exact * 1_000) if seconds else "0"


def read_interval(text: str) -> int:
    """Microseconds of a duration that is a number of whole milliseconds, 1 ms to 366 d."""
    interval = milliseconds(text) * MILLISECOND
    if not MILLISECOND <= interval <= LONGEST_INTERVAL or interval % MILLISECOND:
        raise ValueError(f"{text} is not an interval; it must be whole milliseconds, 1ms to 366d.")
    return int(interval)


def read_lag(text: str) -> int:
    """Microseconds of a duration that is a number of whole milliseconds."""
    lag = milliseconds(text)
    if lag % 1:
        raise ValueError(f"{text} is too precise; write whole milliseconds, such as 250ms.")
    return int(lag) * MILLISECOND


def write_microseconds(microseconds: int) -> str:
    return _in_units(Decimal(microseconds) / MILLISECOND) if microseconds else "0"


def _in_units(duration: Decimal) -> str:
    """Milliseconds in the largest unit that makes them an integer, else in seconds."""
    for unit, size in UNITS.items():
        if duration % size == 0:
            return f"{int(duration / size)}{unit}"
    return f"{duration / 1_000:f}s"


def read_moment(text: str) -> int:
    """Microseconds of Unix time, from ISO 8601 (UTC unless it says otherwise) or an age.

    An age is a duration: 24h or -24h is a day ago, +10m in ten minutes.
    """
    age = _AGE.fullmatch(text)
    if age:
        distance = int(milliseconds(age[2]) * MILLISECOND)
        microseconds = now() + (distance if age[1] == "+" else -distance)
    else:
        microseconds = _time(text, "as an age such as 24h")
    if not 0 <= microseconds < LATEST:
        raise ValueError(f"{text} is not in the years from 1970 to 9999.")
    return microseconds


def _time(text: str, otherwise: str) -> int:
    """Microseconds of Unix time, from ISO 8601; ``otherwise`` is how else it may be written."""
    try:
        return from_datetime(datetime.fromisoformat(text))
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time; write it as 2026-11-01T00:00:00Z, or {otherwise}."
        ) from None


def read_lateness(text: str) -> Lateness:
    """A percentage and a duration, from text such as 1%:5m."""
    percent, separator, delay = text.partition(":")
    if not separator:
        raise ValueError(
            f"{text!r} does not say how late; write a percentage and a time, such as 1%:5m."
        )
    microseconds = read_lag(delay)
    if not microseconds:
        raise ValueError(f"{delay} is not late; the least is 1ms.")
    return Lateness(read_percentage(percent), microseconds)


def write_lateness(late: Lateness) -> str:
    return f"{write_number(late.percent)}%:{write_microseconds(late.delay)}"


def write_percentage(percent: float) -> str:
    return f"{write_number(percent)}%"
