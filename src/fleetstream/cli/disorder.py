"""Disorder asked for: its options, and how they are read."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fleetstream.cli.options import duration, percentage
from fleetstream.cli.pace import MILLISECOND
from fleetstream.generate.moments import MICROSECONDS

if TYPE_CHECKING:
    from fleetstream.generate.disorder import Disorder


def add_disorder_options(parser: argparse.ArgumentParser) -> None:
    """What comes late, out of order or twice."""
    group = parser.add_argument_group("disorder")
    group.add_argument(
        "--late",
        metavar="SHARE:TIME",
        type=late,
        default=None,
        help="send a share of all measurements up to so much later, such as 1%%:5m",
    )
    group.add_argument(
        "--out-of-order",
        metavar="SHARE",
        type=share,
        default=0.0,
        help="send a share after those of the next sweep, such as 1%%",
    )
    group.add_argument(
        "--duplicate",
        metavar="SHARE",
        type=share,
        default=0.0,
        help="send a share twice, such as 0.1%%",
    )


def share(text: str) -> float:
    """A percentage, with its sign or without, or a sentence on why it is none."""
    return percentage(text.removesuffix("%"))


def late(text: str) -> tuple[float, int]:
    """A percentage and microseconds, from a text like 1%:5m."""
    how_many, separator, how_late = text.partition(":")
    if not separator:
        raise argparse.ArgumentTypeError(
            f"{text!r} does not say how late; write a share and a time, such as 1%:5m."
        )
    delay = round(duration(how_late) * MICROSECONDS)
    if delay < MILLISECOND:
        raise argparse.ArgumentTypeError(f"{how_late} is not late; the least is 1ms.")
    return share(how_many), delay


def disorder_of(options: argparse.Namespace) -> "Disorder | None":
    """The disorder that the options ask for; raises :class:`ValueError` with a sentence."""
    from fleetstream.generate.disorder import Disorder

    how_many, delay = options.late or (0.0, 0)
    if how_many + options.out_of_order > 100:
        raise ValueError(
            "--late and --out-of-order are more than 100% together; a measurement can't be both."
        )
    disorder = Disorder(how_many, delay, options.out_of_order, options.duplicate)
    return disorder if disorder != Disorder(delay=delay) else None


def disorder_options(disorder: "Disorder") -> Iterator[str]:
    """The options that ask for a disorder."""
    if disorder.late:
        yield from ("--late", f"{disorder.late}%:{disorder.delay // MILLISECOND}ms")
    if disorder.out_of_order:
        yield from ("--out-of-order", f"{disorder.out_of_order}%")
    if disorder.duplicate:
        yield from ("--duplicate", f"{disorder.duplicate}%")
