"""The two notations of date formats in Trino's functions, as DuckDB's strftime notation.

`date_format` and `date_parse` take MySQL's (`%Y-%m-%d %H:%i`), `format_datetime` and
`parse_datetime` Joda-Time's (`yyyy-MM-dd HH:mm`). A specifier that has no exact match is refused.
"""

from __future__ import annotations

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
    """MySQL's notation as strftime's.

    Raises:
        ValueError: a specifier that has no match; names it.

    """
    result, place = "", 0
    while place < len(text):
        if text[place] != "%":
            result, place = result + text[place], place + 1
            continue
        letter = text[place + 1 : place + 2]
        if letter not in _MYSQL:
            raise ValueError(f"the date format has %{letter}, which is not supported")
        result, place = result + _MYSQL[letter], place + 2
    return result


def joda_to_strftime(text: str) -> str:
    """Joda-Time's notation as strftime's; text in single quotes stays as it is.

    Raises:
        ValueError: a run of letters that has no match; names it.

    """
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
