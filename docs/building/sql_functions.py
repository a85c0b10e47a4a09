"""Puts into `docs/local-sql.md` the tables of functions, from those that the program knows."""

import re
from collections.abc import Iterable, Iterator, Mapping

from fleetstream.emulator.sql.functions import (
    aggregates,
    array_building,
    arrays,
    conditionals,
    numbers,
    regular_expressions,
    strings,
    time_series,
    times,
)
from fleetstream.emulator.sql.functions.signatures import Signature

from docs.building import DOCS

PAGE = DOCS / "local-sql.md"

_SECTION = re.compile(r"(?<=### Functions\n\n).*?(?=### Differences from the service\n)", re.DOTALL)

INTRODUCTION = """\
Generated from the program by `make docs`. *Documented by* says where a function is described: the
service's developer guide, or only the documentation of Trino, which the service's SQL is based on;
the service may have these too. Capital letters stand for types: `T`, `U`, `R` and `S` for any
type. A timestamp can also be given as a text in quotes, such as `bin('2024-01-01 10:17:00', 1h)`.
"""

_GROUPS: Mapping[str, Iterable[Signature]] = {
    "Conditions": conditionals.FUNCTIONS,
    "Numbers": numbers.FUNCTIONS,
    "Text": (*strings.FUNCTIONS, *regular_expressions.FUNCTIONS),
    "Dates, times, durations": times.FUNCTIONS,
    "Arrays": (*arrays.FUNCTIONS, *array_building.FUNCTIONS),
    "Time series": time_series.FUNCTIONS,
    "Aggregates": aggregates.AGGREGATES,
    "Windows": aggregates.WINDOW_FUNCTIONS,
}

_SYNTAX: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Conditions": {
        "if": ("(boolean, T) → T", "(boolean, T, T) → T"),
        "try": ("(T) → T",),
        "cast": ("cast(T AS U)",),
        "try_cast": ("try_cast(T AS U)",),
        "typeof": ("(T) → varchar",),
    },
    "Text": {
        "position": ("position(varchar IN varchar) → bigint",),
        "trim": ("trim([LEADING, TRAILING or BOTH] [varchar] FROM varchar) → varchar",),
        "substring": ("substring(varchar FROM bigint [FOR bigint]) → varchar",),
    },
    "Dates, times, durations": {
        "now": ("() → timestamp",),
        "ago": ("(interval) → timestamp",),
        "extract": ("extract(year FROM timestamp) → bigint, and other parts",),
        "current_date": ("without parentheses → date",),
        "current_time": ("without parentheses → time",),
        "current_timestamp": ("without parentheses → timestamp",),
        "localtime": ("without parentheses → time",),
        "localtimestamp": ("without parentheses → timestamp",),
    },
    "Arrays": {"row": ("(T, …) → row(T, …)",)},
}
"""Calls with a syntax or a translation of their own."""

_GUIDE = frozenset(
    """
    coalesce if nullif try greatest least cast try_cast typeof
    abs acos asin atan atan2 cbrt ceil ceiling cos cosh degrees e exp floor from_base infinity
    is_finite is_infinite is_nan ln log10 log2 mod nan pi pow power radians rand random round sign
    sin sqrt tan tanh to_base truncate bit_count bitwise_and bitwise_not bitwise_or bitwise_xor
    chr codepoint concat hamming_distance length levenshtein_distance lower lpad ltrim position
    replace reverse rpad rtrim split split_part strpos strrpos substr trim upper
    regexp_extract regexp_extract_all regexp_like regexp_replace regexp_split
    ago bin current_date current_time current_timestamp current_timezone date date_add date_diff
    date_format date_parse date_trunc day day_of_month day_of_week day_of_year dow doy extract
    format_datetime from_iso8601_date from_iso8601_timestamp from_milliseconds from_nanoseconds
    from_unixtime hour last_day_of_month localtime localtimestamp millisecond minute month
    nanosecond now parse_datetime parse_duration quarter second to_iso8601 to_milliseconds
    to_nanoseconds to_unixtime week week_of_year year year_of_week yow
    array_distinct array_except array_intersect array_join array_max array_min array_position
    array_remove array_sort array_union arrays_overlap cardinality element_at filter reduce repeat
    sequence shuffle slice transform zip
    correlate_pearson correlate_spearman derivative_linear integral_trapezoidal interpolate_fill
    interpolate_linear interpolate_locf interpolate_spline_cubic non_negative_derivative_linear
    approx_distinct approx_percentile arbitrary array_agg avg bitwise_and_agg bitwise_or_agg
    bool_and bool_or corr count count_if covar_pop covar_samp create_time_series every
    geometric_mean max max_by min min_by regr_intercept regr_slope skewness stddev stddev_pop
    stddev_samp sum var_pop var_samp variance
    cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank
    row_number
    """.split()
)
"""Functions that the developer guide documents."""

_NEITHER = frozenset({"acosh", "asinh", "atanh", "to_microseconds"})

_DIFFERENCES = {
    "approx_distinct": "exact; the error is ignored",
    "approx_percentile": "exact: the value at that position of the sorted data",
    "bin": "also of numbers",
    "create_time_series": "null values stay in the series, and the functions of series skip them",
    "date_format": "the format must be a literal of known specifiers",
    "date_parse": "the format must be a literal of known specifiers",
    "derivative_linear": "one point less than the series has",
    "format_datetime": "the format must be a literal of known letters",
    "interpolate_fill": "the constant outside of the series",
    "interpolate_linear": "null outside of the series",
    "interpolate_locf": "null before the series",
    "interpolate_spline_cubic": "the natural spline; null outside of the series",
    "parse_datetime": "the format must be a literal of known letters",
    "regexp_extract": "RE2's expressions; the group must be a literal; '' for one without a match",
    "regexp_extract_all": "RE2's expressions; the group must be a literal",
    "regexp_like": "RE2's expressions",
    "regexp_replace": "RE2's expressions; the replacement must be a literal or a lambda, and with a lambda the expression a literal that matches no empty text",
    "regexp_split": "RE2's expressions",
    "to_iso8601": "a timestamp ends with Z",
    "try": "not around aggregates, subqueries and random functions",
}

_UNSUPPORTED = (
    "`array_sort` with a lambda, `checksum`, `combinations`, `human_readable_seconds`, maps and"
    " their functions, JSON and its functions, `listagg` and other functions `WITHIN GROUP`, and"
    " `AT TIME ZONE` are not supported; they were not found in the developer guide."
)


def build() -> None:
    """Write the page."""
    PAGE.write_text(page())


def page() -> str:
    """The page with the tables as they should be."""
    tables = "\n".join(
        f"#### {group}\n\n" + "\n".join(_table(group, signatures)) + "\n"
        for group, signatures in _GROUPS.items()
    )
    section = f"{INTRODUCTION}\n{tables}\n{_UNSUPPORTED}\n\n"
    return _SECTION.sub(lambda _: section, PAGE.read_text())


def _table(group: str, signatures: Iterable[Signature]) -> Iterator[str]:
    forms = {name: list(texts) for name, texts in _SYNTAX.get(group, {}).items()}
    for signature in signatures:
        call = str(signature).removeprefix(signature.name)
        forms.setdefault(signature.name, []).append(f"{call} → {signature.result}")
    yield "| function | documented by | supported as | differs |"
    yield "|---|---|---|---|"
    for name, texts in sorted(forms.items()):
        supported = "<br>".join(f"`{text}`" for text in dict.fromkeys(texts))
        source = "guide" if name in _GUIDE else "" if name in _NEITHER else "Trino"
        yield f"| `{name}` | {source} | {supported} | {_DIFFERENCES.get(name, '')} |"


if __name__ == "__main__":
    build()
