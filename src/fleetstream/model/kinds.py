"""Kinds of series: their dimensions, variables and measures."""

from collections.abc import Collection, Iterable
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

import msgspec

from fleetstream.model.datatypes import DataType
from fleetstream.model.durations import DurationText, microseconds
from fleetstream.model.dynamics import (
    Counter,
    Histogram,
    Law,
    QuantileSummary,
    RecentQuantile,
    Share,
    Smooth,
)
from fleetstream.model.expressions import Expression
from fleetstream.model.histograms import expanded
from fleetstream.model.laws import Choice, Mixture
from fleetstream.model.summaries import expanded_summary
from fleetstream.model.templates import Template

TIME_COLUMN = "time"
"""A name that dimensions and measures cannot have, since the time of a record has it."""

AGE = "age"
"""In expressions, the seconds since the instance of a series began."""

BIRTH = "birth"
"""In expressions, when the instance of a series began, in seconds of Unix time."""

CLOCKS = frozenset({TIME_COLUMN, AGE, BIRTH})
"""The names of times in expressions: that of the record, in seconds of Unix time, and where series
have a life cycle the two above."""

NUMBERS = frozenset({DataType.DOUBLE, DataType.BIGINT})
"""The types of measures that a signal may replace."""

MAX_DECIMALS = 12

SAME = "as above"
"""What the values of a measure follow, where it is what those of the measure before follow."""


class Variable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A value that measures refer to and that is not written itself.

    ``value`` is a law or an expression, as of a measure, rounded to ``decimals`` if there are some.
    A variable that is ``fixed`` has one value per series, independent of seed and time.
    """

    name: str
    value: Law | str
    fixed: bool = False
    decimals: int | None = None
    """Decimals to round to before use; None does not round."""
    description: str = ""

    def __post_init__(self) -> None:
        if self.fixed and isinstance(self.value, str | Mixture | Smooth | Counter | RecentQuantile):
            raise ValueError(
                f"the fixed variable {self.name!r} needs a law that does not depend on time and is "
                "not a mixture"
            )
        _check_decimals(self.name, self.decimals or 0)

    @cached_property
    def expression(self) -> Expression | None:
        """The parsed expression, None where the value is drawn from a law."""
        return Expression(self.value) if isinstance(self.value, str) else None


class Measure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A measure of each series of a kind.

    Its ``type`` is DOUBLE unless it is another; a DOUBLE is rounded to ``decimals``. ``group`` and
    ``description`` are for people: what measures it belongs to, and what it says.

    ``value`` is a law or an expression over variables and measures of the same series, which are
    rounded to their decimals before they are used, over drivers, over integers of the levels
    (``silo.number``), over ``time`` and, where series come and go, ``age`` and ``birth``. It is
    limited to ``minimum`` and ``maximum``, and missing with the probability ``missing``, and where
    an expression is not defined, as a number divided by 0 is not, or too large for the type.
    ``unit`` follows UCUM where UCUM has the unit.

    A BOOLEAN measure is true where its value is not 0, and 1 or 0 where other expressions refer to
    it. The value of a TIMESTAMP measure is a number of seconds since 1970, rounded to milliseconds,
    from 1970 to 2262.

    A VARCHAR measure has the texts of its law ``choice``, or of its list ``words``: ``value`` is
    then the position in the list (from 0), rounded and limited to it. Other expressions cannot
    refer to a VARCHAR.
    """

    name: str
    value: Law | str
    type: DataType = DataType.DOUBLE
    words: list[str] = []
    unit: str = ""
    decimals: int = 0
    minimum: float | None = None
    maximum: float | None = None
    missing: Share = 0.0
    group: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        self._check_words()
        _check_decimals(self.name, self.decimals)
        if self.type is not DataType.DOUBLE and self.decimals:
            raise ValueError(f"the {self.type} {self.name!r} cannot have decimals")
        if (self.minimum, self.maximum) != (None, None) and self.texts:
            raise ValueError(f"the words of {self.name!r} have no minimum or maximum")
        if (self.minimum, self.maximum) != (None, None) and self.type is DataType.BOOLEAN:
            raise ValueError(f"the BOOLEAN {self.name!r} has no minimum or maximum")
        if None not in (self.minimum, self.maximum) and self.minimum > self.maximum:  # type: ignore[operator]
            raise ValueError(f"the minimum of {self.name!r} is above its maximum")

    def _check_words(self) -> None:
        if self.words and isinstance(self.value, Choice):
            raise ValueError(
                f"the measure {self.name!r} has the words of its law; leave out the list of words"
            )
        if len(set(self.words)) < len(self.words):
            raise ValueError(f"the measure {self.name!r} has a word twice")
        if (self.type is DataType.VARCHAR) != bool(self.texts):
            raise ValueError(
                f"the measure {self.name!r} needs the type VARCHAR if and only if it has words or "
                "its law is a choice"
            )

    @property
    def origin(self) -> str:
        """What its values follow, for people."""
        return str(self.value)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that its values are positions in, none where they are numbers."""
        return self.value.words if isinstance(self.value, Choice) else tuple(self.words)

    @cached_property
    def expression(self) -> Expression | None:
        """The parsed expression, None where the value is drawn from a law."""
        return Expression(self.value) if isinstance(self.value, str) else None


class PartVariable(Variable, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A variable of a histogram or summary, of which its measures are calculated."""


class EventsPart(Measure, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A measure that a histogram or summary stands for; ``source`` describes that for people."""

    source: str

    @property
    def origin(self) -> str:
        return self.source


class HistogramPart(EventsPart, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A measure that a histogram stands for.

    ``histogram`` is the histogram's name. The measure counts the events up to ``bound``, infinity
    for all events; it is their sum where ``bound`` is None.
    """

    histogram: str
    bound: float | None


class SeriesKind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A kind of series: one per row of ``level``, all with the same dimensions and ``measures``.

    ``variables`` are values that measures are calculated from. ``dimensions`` maps each dimension's
    name to the template of its values; ``title`` is the template of a short name for people, and
    ``noun`` what the series are, in the plural. A kind with an ``interval`` is measured in the
    first sweep of each such period only. Each of the ``histograms`` and ``summaries`` stands for
    several measures, which follow the others.
    """

    noun: str
    level: str
    dimensions: dict[str, str]
    measures: list[Measure] = []
    variables: list[Variable] = []
    histograms: list[Histogram] = []
    summaries: list[QuantileSummary] = []
    title: str = ""
    interval: DurationText | None = None

    def __post_init__(self) -> None:
        for histogram in self.histograms:
            self._extend(HistogramPart, *expanded(histogram))
        for summary in self.summaries:
            self._extend(EventsPart, *expanded_summary(summary))
        msgspec.structs.force_setattr(self, "histograms", [])
        msgspec.structs.force_setattr(self, "summaries", [])
        _ = self.interval_us
        names = [each.name for each in self.variables] + [each.name for each in self.measures]
        if len(set(names)) < len(names) or self.dimensions.keys() & set(names):
            raise ValueError(
                "dimensions, variables and measures of a kind need different names, but two have "
                f"the name {_repeated([*self.dimensions, *names])!r}"
            )
        if not self.dimensions or not self.measures:
            raise ValueError("a kind needs at least one dimension and one measure")
        for reserved in sorted(CLOCKS & {*self.dimensions, *names}):
            raise ValueError(f"no dimension, variable or measure can have the name {reserved!r}")

    def _extend(
        self,
        part: type[EventsPart],
        variables: Iterable[dict[str, Any]],
        measures: Iterable[dict[str, Any]],
    ) -> None:
        """Add what a histogram or summary stands for."""
        more = [*self.variables, *(PartVariable(**each) for each in variables)]
        msgspec.structs.force_setattr(self, "variables", more)
        written = [*self.measures, *(part(**each) for each in measures)]
        msgspec.structs.force_setattr(self, "measures", written)

    @cached_property
    def interval_us(self) -> int | None:
        """The interval in microseconds, None where every sweep measures the kind."""
        return None if self.interval is None else microseconds(self.interval)

    @cached_property
    def templates(self) -> dict[str, Template]:
        """The parsed templates of the dimensions."""
        return {name: Template(text) for name, text in self.dimensions.items()}

    @cached_property
    def evaluation_order(self) -> list[Variable | Measure]:
        """Variables and measures so that each comes after those that its expression refers to.

        Names that are not defined in the kind are left to :meth:`check_names`.
        """
        all_sources: list[Variable | Measure] = [*self.variables, *self.measures]
        sources = {each.name: each for each in all_sources}
        needs = {
            name: each.expression.names & sources.keys() if each.expression else frozenset[str]()
            for name, each in sources.items()
        }
        for name, names in needs.items():
            for other in names:
                source = sources[other]
                if isinstance(source, Measure) and source.texts:
                    raise ValueError(f"{name!r} calculates with {other!r}, which has no numbers")
        try:
            return [sources[name] for name in TopologicalSorter(needs).static_order()]
        except CycleError as error:
            raise ValueError(_circle(error.args[1], list(sources))) from None

    @cached_property
    def driver_names(self) -> frozenset[str]:
        """The drivers that expressions and counters follow."""
        used = {name for name in self._foreign_names if "." not in name}
        return frozenset(used - CLOCKS) | self.counter_drivers

    @cached_property
    def integer_names(self) -> frozenset[str]:
        """The integers of levels, such as ``silo.number``, that expressions refer to."""
        return frozenset(name for name in self._foreign_names if "." in name)

    @cached_property
    def _foreign_names(self) -> set[str]:
        """The names in expressions that are not of variables or measures of the kind."""
        sources = self.evaluation_order
        used = {name for each in sources if each.expression for name in each.expression.names}
        return used - {each.name for each in sources}

    @cached_property
    def is_dynamic(self) -> bool:
        """Whether values depend on those before and after, so that no law describes them alone."""
        return bool(self.driver_names) or any(
            isinstance(each.value, Smooth | Counter | RecentQuantile)
            or (each.expression is not None and CLOCKS & each.expression.names)
            for each in self.evaluation_order
        )

    @cached_property
    def counter_drivers(self) -> frozenset[str]:
        """The drivers that counters follow."""
        laws = [each.value for each in self.evaluation_order]
        drivers = [law.driver for law in laws if isinstance(law, Counter)]
        return frozenset(name for name in drivers if name is not None)

    def check_names(
        self, drivers: Collection[str], integers: Collection[str], *, has_life: bool
    ) -> None:
        """Raises ValueError for a name in an expression or law that is not defined.

        ``integers`` are those of the kind's level and the levels above it.
        """
        for source in self.evaluation_order:
            law = source.value
            used: set[str] = set()
            if isinstance(law, Counter) and law.driver is not None:
                used.add(law.driver)
            if source.expression is not None:
                used |= source.expression.names - {each.name for each in self.evaluation_order}
                if not has_life and (lived := used & {AGE, BIRTH}):
                    raise ValueError(
                        f"{source.name!r} refers to {min(lived)!r}, but no level of its series has "
                        "a life"
                    )
            if unknown := used - {*CLOCKS, *drivers, *(name for name in integers if "." in name)}:
                raise ValueError(
                    f"{source.name!r} refers to {min(unknown)!r}, which is not defined"
                )

    @property
    def listed_variables(self) -> list[Variable]:
        """The variables without those of histograms and summaries."""
        return [each for each in self.variables if not isinstance(each, PartVariable)]

    @property
    def origins(self) -> list[str]:
        """What the values of each measure follow, for people; said once of those of a histogram."""
        found = [each.origin for each in self.measures]
        for place in range(len(found) - 1, 0, -1):
            if isinstance(self.measures[place], EventsPart) and found[place] == found[place - 1]:
                found[place] = SAME
        return found

    def measure(self, name: str) -> Measure | None:
        """The measure of that name, None where there is none."""
        return next((each for each in self.measures if each.name == name), None)


def _repeated(names: list[str]) -> str:
    """The first name that is there twice."""
    return next(name for name in names if names.count(name) > 1)


def _circle(names: list[str], order: list[str]) -> str:
    """The message for names each of which the next refers to; the last is the first again."""
    circle = names[:0:-1]
    first = min(range(len(circle)), key=lambda place: order.index(circle[place]))
    name, *through = circle[first:] + circle[:first]
    return f"{name!r} refers to itself" + (
        f", through {' and '.join(map(repr, through))}" if through else ""
    )


def _check_decimals(name: str, decimals: int) -> None:
    if not 0 <= decimals <= MAX_DECIMALS:
        raise ValueError(f"the decimals of {name!r} must be from 0 to {MAX_DECIMALS}")
