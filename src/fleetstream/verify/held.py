"""What a target holds of a slice of time."""

import pyarrow as pa

from fleetstream.targets.columns import TableColumns
from fleetstream.targets.reader import Reader
from fleetstream.targets.sink import TargetUnusable
from fleetstream.verify.expectation import Slice


def held_records(reader: Reader, part: Slice, columns: TableColumns) -> str | pa.Table:
    """The records of a slice, as :meth:`Reader.held` returns them.

    Raises TargetUnusable where the target cannot be read, or holds records of the other record
    model, all of which would be extra.
    """
    held = reader.held(part.begin, part.end)
    if isinstance(held, str) or not len(held) or columns.values.keys() & set(held.column_names):
        return held
    raise TargetUnusable(
        f"{reader.name} has no {columns.model}-measure records, which the run of this manifest has "
        "written; name another target, or the manifest of the run that has written there."
    )
