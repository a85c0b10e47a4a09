"""``python -m fleetstream`` is the same as ``fleetstream``."""

from fleetstream.cli import entry

entry()
