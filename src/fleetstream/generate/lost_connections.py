"""Lost connections: when the measurements of each series arrive.

Time is divided into cells of a quarter of the mean distance of two losses. In a cell, a row of the
level with a connectivity loses its connection with the probability one quarter, at a hashed time
and for a hashed duration that both lie within the cell. So losses never overlap, and whether a
series is connected at a time follows from one cell.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fleetstream.generate.keys import Bits, cell_offsets, mix, name_key, seeded, uniform
from fleetstream.generate.lattice import Times
from fleetstream.generate.lives import CELLS_PER_EVENT
from fleetstream.generate.topology import Topology
from fleetstream.model import Model
from fleetstream.model.connectivity import Connectivity


@dataclass(frozen=True, slots=True)
class LostConnections:
    """When the series of a kind have no connection.

    ``keys`` are seeded keys, one per row of the kind's table.
    """

    connectivity: Connectivity
    keys: Bits

    def arrivals(self, times: Times, rows: npt.NDArray[np.integer]) -> Times:
        """When what is measured at times in microseconds arrives, for rows of the kind's table.

        That is the same time, or when the connection is there again. Both are broadcast against
        each other.
        """
        length = self.connectivity.every_us // CELLS_PER_EVENT
        cells = times // length
        bits = mix(self.keys[rows] + cell_offsets(name_key("connection"), cells))
        arrivals = np.array(np.broadcast_to(times, bits.shape))
        lost = np.nonzero(bits % CELLS_PER_EVENT == 0)
        bits, cells = bits[lost], np.broadcast_to(cells, arrivals.shape)[lost]
        lasts = self.connectivity.durations(uniform(mix(bits + name_key("lasts"))))
        places = uniform(mix(bits + name_key("begins")))
        begins = cells * length + (places * (length - lasts)).astype(np.int64)
        ends = begins + lasts.astype(np.int64)
        measured = arrivals[lost]
        arrivals[lost] = np.where((begins <= measured) & (measured < ends), ends, measured)
        return arrivals


def lost_connections(model: Model, topology: Topology, seed: int) -> dict[str, LostConnections]:
    """Those of the kinds whose series lose their connection at times, by kind."""
    found = {}
    for key, kind in model.kinds.items():
        owner = model.connected_level(kind.level)
        if owner is not None and owner.connectivity is not None:
            rows = topology.above(kind.level, owner.name)[topology.series(key)]
            keys = seeded(topology.identities(owner.name), seed)
            found[key] = LostConnections(owner.connectivity, keys[rows])
    return found
