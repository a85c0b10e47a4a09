"""Conversion of the date formats of Trino's functions to DuckDB's strftime formats.

``date_format`` and ``date_parse`` use MySQL's formats (``%Y-%m-%d %H:%i``), ``format_datetime`` and
``parse_datetime`` use Joda-Time's (``yyyy-MM-dd HH:mm``).
"""

from __future__ import annotations

import re
from itertools import groupby

_MYSQL = {
    "a": "%a",
    "b": "%b",
    "c": "%-m",
    "d": "%d",
    "e": "%-d",
    "f": "%f",
    "H": "%H",
    "h": "%I",
    "I": "%I",
    "i": "%M",
    "j": "%j",
    "k": "%-H",
    "l": "%-I",
    "M": "%B",
    "m": "%m",
    "p": "%p",
    "r": "%I:%M:%S %p",
    "S": "%S",
    "s": "%S",
    "T": "%H:%M:%S",
    "v": "%V",
    "W": "%A",
    "x": "%G",
    "Y": "%Y",
    "y": "%y",
    "%": "%%",
}

_JODA = {
    "yyyy": "%Y",
    "y": "%Y",
    "YYYY": "%Y",
    "yy": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "M": "%-m",
    "dd": "%d",
    "d": "%-d",
    "DDD": "%j",
    "EEEE": "%A",
    "EEE": "%a",
    "E": "%a",
    "HH": "%H",
    "H": "%-H",
    "hh": "%I",
    "h": "%-I",
    "mm": "%M",
    "m": "%-M",
    "ss": "%S",
    "s": "%-S",
    "SSS": "%g",
    "SSSSSS": "%f",
    "SSSSSSSSS": "%n",
    "a": "%p",
    "ww": "%V",
    "xxxx": "%G",
}


def mysql_to_strftime(text: str) -> str:
    """Raises ValueError for a specifier that strftime has no equivalent of."""

    def convert(found: re.Match[str]) -> str:
        if found[1] not in _MYSQL:
            raise ValueError(f"the date format has %{found[1]}, which is not supported")
        return _MYSQL[found[1]]

    return re.sub("%(.?)", convert, text, flags=re.DOTALL)


def joda_to_strftime(text: str) -> str:
    """Raises ValueError for letters that strftime has no equivalent of."""
    result = ""
    for number, part in enumerate(text.replace("''", "\0").split("'")):
        quoted = number % 2 == 1
        for letter, run in groupby(part):
            letters = "".join(run)
            if quoted or not letter.isalpha():
                result += letters.replace("\0", "'").replace("%", "%%")
            elif letters in _JODA:
                result += _JODA[letters]
            else:
                raise ValueError(f"the date format has {letters}, which is not supported")
    return result
