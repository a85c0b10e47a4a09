"""``fleetstream serve``: the local Amazon Timestream."""

import argparse
import sys
from pathlib import Path

from fleetstream.cli.display_options import read_port
from fleetstream.cli.outcome import UNUSABLE
from fleetstream.cli.parser import CommandParser, reader
from fleetstream.run.notation import read_integer

SUMMARY = "run a local Amazon Timestream, for tests and without an AWS account"

DEFAULT_PORT = 8765
_SWITCH_INTERVAL_SECONDS = 0.0002

DESCRIPTION = """\
Run a local Amazon Timestream: its write and query APIs, on one port.

Examples:
  fleetstream serve
  fleetstream serve --port 9000 --store fleet.store --fault throttle=0.1
"""


def configure(parser: CommandParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument(
        "--port",
        metavar="PORT",
        type=reader(read_port),
        default=DEFAULT_PORT,
        help=f"port to listen on; 0 is a free port (default: {DEFAULT_PORT})",
    )
    parser.add_argument(
        "--store",
        metavar="PATH",
        type=Path,
        default=None,
        help="file that holds the data (default: in memory)",
    )
    parser.add_argument(
        "--s3",
        metavar="URL|FOLDER",
        default=None,
        help="where s3:// locations are, for UNLOAD, batch load and error reports: a server with"
        " the API of S3, or a folder",
    )
    parser.add_argument(
        "--fault",
        metavar="KIND=VALUE",
        action="append",
        default=[],
        help="inject a fault, for example throttle=0.1 or latency=50ms; can be repeated",
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=reader(read_integer),
        default=0,
        help="seed of the faults (default: 0)",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; prints ``Listening on URL`` when it is ready."""
    try:
        from fleetstream.emulator.api.faults import Faults, parse_faults
        from fleetstream.emulator.object_storage import open_storage
        from fleetstream.emulator.server import EmulatorServer
        from fleetstream.emulator.store.store import StoreUnusable
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The local Timestream requires the package {error.name!r}; install it with "
            "`pip install 'fleetstream[local]'`."
        ) from error
    faults = Faults(parse_faults(options.fault), options.seed) if options.fault else None
    storage = open_storage(options.s3) if options.s3 is not None else None
    try:
        server = EmulatorServer(options.host, options.port, options.store, faults, storage)
    except StoreUnusable as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(
            f"Cannot listen on {options.host}, port {options.port}: {error.strerror}. Give another"
            " --port or --host."
        )
    if not server.on_loopback:
        print(
            f"Anyone who can reach {options.host} can read and change the data: no credentials are"
            " checked.",
            file=sys.stderr,
        )
    # The event loop and the writer thread hand over to each other several times per commit; with
    # the default interval of 5 ms, they would mostly wait for the interpreter.
    sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
    server.run(lambda: print(f"Listening on {server.url}", flush=True))
    return 0


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return UNUSABLE
