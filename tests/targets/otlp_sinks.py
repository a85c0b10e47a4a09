"""Sinks of OTLP, and the requests that receivers get from them."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pyarrow as pa
import pytest

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.registry import TargetOptions, open_sink
from fleetstream.targets.sink import Request, Sink
from tests.servers.otlp_receiver import RECEIVERS, Answer, AnswerTo, Receiver
from tests.targets.cases import SCHEMAS
from tests.targets.test_contract import sweeps

TRANSPORTS = pytest.mark.parametrize("transport", RECEIVERS)


@contextmanager
def answering(
    transport: str,
    answer_to: AnswerTo,
    model: RecordModel = RecordModel.SINGLE,
    schemas: Sequence[pa.Schema] = SCHEMAS,
) -> Iterator[tuple[Receiver, Sink]]:
    """An open sink, and a server that answers as told; it accepts requests without metrics."""
    with RECEIVERS[transport](
        lambda request: answer_to(request) if request.resource_metrics else Answer()
    ) as receiver:
        options = TargetOptions(to=f"otlp:{receiver.url}", table_name="fleet")
        with closing(open_sink(options, model, schemas)) as sink:
            sink.open()
            yield receiver, sink


def first(sink: Sink) -> Request:
    return next(iter(sink.prepare(sweeps(1, missing=0)[0])))


def sizes(receiver: Receiver) -> list[int]:
    """How many resources each request has."""
    return [len(request.resource_metrics) for request, _ in receiver.received]
