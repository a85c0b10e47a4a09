"""Line protocol, straight from a batch's columns, with no Python loop a value.

InfluxDB's "Line protocol reference" has the rules. Under the multi-measure model a record is a line
of the measurement ``metrics`` or ``events`` with a field a measure; under the single-measure model
a line of the measurement that the measure names, with the one field ``value``. Tags are the
dimensions, by name. Doubles are floats, whole numbers have their ``i``, words are strings.

Lines are laid out on a sheet of bytes, all rows of the same form; what is left over in a place is
filled with zero bytes, which are taken out at the end.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.generate.records import RecordModel, Records
from fleetstream.targets.memo import Memo, address
from fleetstream.targets.sheet import Bytes, Form, Place, blank, column, omit
from fleetstream.targets.texts import Style, Texts, Words, number_texts, padded

LINES = 5_000
"""Lines of a body, about: InfluxDB's documentation asks for 5,000 to 10,000."""

VALUE = "value"
"""The field of single-measure records."""

FILL = "\0"

KEPT_BYTES = 256 * 2**20
"""Bytes of tag sets kept: enough for about a million series."""


def _string(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


LINE = Style("", "i", _string, FILL)


def escaped_tag(word: str) -> str:
    """A tag's key or value; a line can't end within one, so line ends become spaces.

    A backslash at its end would escape what follows, so it gets a space behind it.
    """
    word = word.replace("\r", " ").replace("\n", " ")
    for special in (",", "=", " "):
        word = word.replace(special, f"\\{special}")
    return f"{word}\\ " if word.endswith("\\") else word


class Lines:
    """Renders batches into bodies of lines, as many rows at a time as make a body."""

    def __init__(self) -> None:
        self._words = Words(LINE)
        self._tag_words = Memo[tuple[pa.StringArray, pa.Array]](64)
        self._tags = Memo[Texts](KEPT_BYTES, lambda texts: texts.nbytes)

    def bodies(self, records: Records) -> Iterator[tuple[int, int, bytes]]:
        """The lines of the records ``[start, stop)``, over and over until all are done."""
        single = records.model is RecordModel.SINGLE
        step = max(LINES // len(records.measure_names), 1) if single else LINES
        tags = self._tag_sets(records)
        values = [
            self._words.of(values)
            if isinstance(values, pa.DictionaryArray)
            else number_texts(values, field, LINE)
            for values, field in zip(records.measure_columns, records.measure_fields, strict=True)
        ]
        for first in range(0, records.batch.num_rows, step):
            rows = slice(first, min(first + step, records.batch.num_rows))
            start, stop = np.searchsorted(records.rows, (rows.start, rows.stop)).tolist()
            if start < stop:
                sheet = (self._single if single else self._multi)(records, tags, values, rows)
                yield start, stop, sheet.tobytes().translate(None, FILL.encode())

    def _multi(self, records: Records, tags: Texts, values: list[Texts], rows: slice) -> Bytes:
        """A line a row."""
        form = Form()
        form.print(str(records.kind))
        own = form.leave(tags.itemsize)
        form.print(" ")
        pieces: list[Place] = []
        places = []
        for name, texts in zip(records.measure_names, values, strict=True):
            before = form.print(f"{',' if pieces else ''}{escaped_tag(name)}=")
            places.append(form.leave(texts.itemsize))
            pieces.append(Place(before.start, form.width))
        form.print(f" {records.timestamp}\n")
        sheet = form.sheet(rows.stop - rows.start)
        column(sheet, own)[:] = tags[rows]
        for place, texts in zip(places, values, strict=True):
            column(sheet, place)[:] = texts[rows]
        if not records.complete:
            omit(sheet, pieces, records.present[rows], FILL)
        return sheet

    def _single(self, records: Records, tags: Texts, values: list[Texts], rows: slice) -> Bytes:
        """A line a value."""
        form = Form()
        owns, places, pieces = [], [], []
        for name, texts in zip(records.measure_names, values, strict=True):
            start = form.print(escaped_tag(name)).start
            owns.append(form.leave(tags.itemsize))
            form.print(f" {VALUE}=")
            places.append(form.leave(texts.itemsize))
            pieces.append(Place(start, form.print(f" {records.timestamp}\n").stop))
        sheet = form.sheet(rows.stop - rows.start)
        for own, place, texts in zip(owns, places, values, strict=True):
            column(sheet, own)[:] = tags[rows]
            column(sheet, place)[:] = texts[rows]
        if not records.complete:
            blank(sheet, pieces, ~records.present[rows], FILL)
        return sheet

    def _tag_sets(self, records: Records) -> Texts:
        """The tags of each row, each with a comma before it, made once for each run of series."""
        names = sorted(records.dimension_names)
        columns = [records.dimension(name) for name in names]
        key = tuple(
            (address(each.dictionary), each.indices.to_numpy().tobytes()) for each in columns
        )

        def make() -> Texts:
            words = [
                self._tag_dictionary(name, each.dictionary).take(each.indices)
                for name, each in zip(names, columns, strict=True)
            ]
            return padded(pc.binary_join_element_wise(*words, ""), FILL)

        return self._tags.get(key, make)

    def _tag_dictionary(self, name: str, dictionary: pa.StringArray) -> pa.StringArray:
        def make() -> tuple[pa.StringArray, pa.Array]:
            # A tag without a value is none.
            tags = [
                f",{escaped_tag(name)}={escaped_tag(word)}" if word else ""
                for word in dictionary.to_pylist()
            ]
            # The dictionary is kept beside its tags, so that its address stays its own.
            return pa.array(tags, pa.string()), dictionary

        return self._tag_words.get((name, address(dictionary)), make)[0]
