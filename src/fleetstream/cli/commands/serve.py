"""`fleetstream serve`: the local Amazon Timestream."""

import argparse
from pathlib import Path

from fleetstream.cli.options import port, whole_number

DESCRIPTION = """\
Run an Amazon Timestream on this machine: both its write and its query API, on one port.

Examples:
  fleetstream serve
  fleetstream serve --port 9000 --store fleet.store --fault throttle=0.1
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument(
        "--port",
        metavar="PORT",
        type=port,
        default=8086,
        help="the port to listen on; 0 takes a free one (default: 8086)",
    )
    parser.add_argument(
        "--store",
        metavar="PATH",
        type=Path,
        default=None,
        help="keep everything in this file (default: in memory)",
    )
    parser.add_argument(
        "--fault",
        metavar="KIND=VALUE",
        action="append",
        default=[],
        help="inject a fault, for example throttle=0.1 or latency=50ms; may be repeated",
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=whole_number,
        default=0,
        help="the seed of the faults (default: 0)",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted; gives the exit code."""
    try:
        from fleetstream.local.server import run as serve
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The local Timestream needs the package {error.name!r}; install it with "
            "`pip install 'fleetstream[local]'`."
        ) from error
    return serve(options.host, options.port, options.store, options.fault, options.seed)
