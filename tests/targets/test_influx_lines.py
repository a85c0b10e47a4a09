"""Line protocol states exactly what batches hold."""

import re

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Records
from fleetstream.targets.influx.line_protocol import LineRenderer
from tests.batches import batches
from tests.targets.influx_recorder import recording, sink_at
from tests.targets.test_contract import history
from tests.wire import Record, expected


def parsed(line: str) -> Record:
    """A line of the protocol, read letter by letter as its reference says; times are µs."""
    head, fields, stamp = _split(line, " ")
    measurement, *tags = _split(head, ",")
    named = tuple(sorted((_plain(k), _plain(v)) for k, v in (_split(tag, "=") for tag in tags)))
    values = []
    for field in _split(fields, ","):
        name, value = _split(field, "=")
        if value.startswith('"'):
            word = re.sub(r'\\(["\\])', r"\1", value[1:-1])
            values.append((_plain(name), "VARCHAR", word))
        elif value.endswith("i"):
            values.append((_plain(name), "BIGINT", int(value[:-1])))
        elif value in ("true", "false"):
            values.append((_plain(name), "BOOLEAN", value == "true"))
        else:
            values.append((_plain(name), "DOUBLE", float(value)))
    return Record(named, _plain(measurement), tuple(values), int(stamp))


def _split(text: str, at: str) -> list[str]:
    """The parts of a text between separators that are neither escaped nor in a string."""
    parts, part, quoted, place = [], "", False, 0
    while place < len(text):
        letter = text[place]
        if letter == "\\" and place + 1 < len(text) and text[place + 1] in ',= "\\':
            part += text[place : place + 2]
            place += 2
            continue
        if letter == '"' and (quoted or part.endswith("=") or part == ""):
            quoted = not quoted
        if letter == at and not quoted:
            parts.append(part)
            part = ""
        else:
            part += letter
        place += 1
    return [*parts, part]


def _plain(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)


@given(st.data(), st.sampled_from(RecordModel))
def test_lines_state_what_the_batch_holds(data: st.DataObject, model: RecordModel) -> None:
    batch = data.draw(batches().filter(_has_no_odd_words))
    found = [
        parsed(line)
        for _, _, lines in LineRenderer().bodies(Records(batch, model))
        for line in lines.decode().removesuffix("\n").split("\n")
    ]
    wanted = expected(batch, model)
    if model is RecordModel.SINGLE:
        wanted = [each._replace(values=(("value", *each.values[0][1:]),)) for each in wanted]
    assert found == [_without_times(each) for each in wanted]


def _without_times(record: Record) -> Record:
    """The record with times as line protocol has them: integers, in milliseconds."""
    return record._replace(
        values=tuple(
            (name, "BIGINT", value // 1_000) if kind == "TIMESTAMP" else (name, kind, value)
            for name, kind, value in record.values
        )
    )


def _has_no_odd_words(batch: pa.RecordBatch) -> bool:
    """Backslashes and quotes can be read in two ways; the contract tries them on a server."""
    columns = (column for column in batch.columns if isinstance(column, pa.DictionaryArray))
    words = (word for column in columns for word in column.dictionary.to_pylist())
    return not any(set(word) & set('\\"\x85\u2028\u2029') for word in words)


def test_a_batch_of_several_timestamps_has_one_per_line() -> None:
    """Also where a request ends between two rows of the same series."""
    batch = history(300, missing=0)[0]
    with recording() as server:
        sink = sink_at(f"{server.url}?version=1", RecordModel.MULTI)
        requests = list(sink.prepare(batch))
        for request in requests:
            sink.send(request)
    lines = [line for _, _, _, written in server.writes for line in written]
    assert len(requests) == 1
    assert [parsed(line) for line in lines] == expected(batch, RecordModel.MULTI)
