"""``fleetstream serve``: the local Amazon Timestream."""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from fleetstream.cli.display_options import read_port
from fleetstream.cli.outcome import UNUSABLE
from fleetstream.cli.parser import CommandParser, escaped, reader
from fleetstream.run.notation import at_least, read_duration, read_integer

SUMMARY = "run a local Amazon Timestream, for tests and without an AWS account"

DEFAULT_PORT = 8765
DEFAULT_MEMORY_LIMIT = "50%"
DEFAULT_QUERY_TIMEOUT_SECONDS = 300.0
DEFAULT_MAX_QUERIES = 8
_SWITCH_INTERVAL_SECONDS = 0.0002

DESCRIPTION = """\
Run a local Amazon Timestream: its write and query APIs, on one port.

Examples:
  fleetstream serve
  fleetstream serve --port 9000 --store fleet.store --fault throttle=0.1
"""


def configure(parser: CommandParser) -> None:
    parser.description = DESCRIPTION
    _add_server_options(parser.add_argument_group("Server"))
    _add_limits(parser.add_argument_group("Limits"))
    _add_faults(parser.add_argument_group("Faults"))


def _add_server_options(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    group.add_argument(
        "--port",
        metavar="PORT",
        type=reader(read_port),
        default=DEFAULT_PORT,
        help=f"port to listen on; 0 is a free port (default: {DEFAULT_PORT})",
    )
    group.add_argument(
        "--store",
        metavar="PATH",
        type=Path,
        default=None,
        help="file that holds the data (default: in memory)",
    )
    group.add_argument(
        "--s3",
        metavar="URL|FOLDER",
        default=None,
        help="where s3:// locations are, for UNLOAD, batch load and error reports: a server with"
        " the API of S3, or a folder",
    )
    group.add_argument(
        "--tls-certificate",
        metavar="PATH",
        type=Path,
        default=None,
        help="serve HTTPS with the certificate in this PEM file",
    )
    group.add_argument(
        "--tls-key",
        metavar="PATH",
        type=Path,
        default=None,
        help="PEM file with the certificate's private key",
    )
    group.add_argument(
        "--access-log",
        metavar="PATH",
        type=Path,
        default=None,
        help="append a line of JSON per request to this file; - is standard output",
    )


def _add_limits(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--memory-limit",
        metavar="SIZE",
        default=DEFAULT_MEMORY_LIMIT,
        help="memory for data and queries, such as 2GiB, or a percentage of the machine's memory"
        f" (default: {escaped(DEFAULT_MEMORY_LIMIT)})",
    )
    group.add_argument(
        "--max-store-size",
        metavar="SIZE",
        default=None,
        help="refuse records when the data in the file have this size, such as 10GB"
        " (default: only when the disk is nearly full)",
    )
    group.add_argument(
        "--query-timeout",
        metavar="TIME",
        type=reader(read_duration),
        default=DEFAULT_QUERY_TIMEOUT_SECONDS,
        help="stop queries that take longer (default: 5m)",
    )
    group.add_argument(
        "--max-queries",
        metavar="N",
        type=reader(at_least(1)),
        default=DEFAULT_MAX_QUERIES,
        help=f"run so many queries at once; others wait (default: {DEFAULT_MAX_QUERIES})",
    )


def _add_faults(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--fault",
        metavar="KIND=VALUE",
        action="append",
        default=[],
        help="inject a fault, for example throttle=0.1 or latency=50ms; can be repeated",
    )
    group.add_argument(
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
        from fleetstream.emulator.settings import ServerSettings
        from fleetstream.emulator.store.store import StoreUnusable
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The local Timestream requires the package {error.name!r}; install it with "
            "`pip install 'fleetstream[local]'`."
        ) from error
    settings = ServerSettings(
        **{field.name: getattr(options, field.name) for field in fields(ServerSettings)}
    )
    faults = Faults(parse_faults(options.fault), options.seed) if options.fault else None
    storage = open_storage(options.s3) if options.s3 is not None else None
    try:
        server = EmulatorServer(settings, faults, storage)
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
    print(f"Error: {message}", file=sys.stderr)
    return UNUSABLE
