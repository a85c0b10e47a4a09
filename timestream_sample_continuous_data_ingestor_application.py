"""The name of the AWS sample tool, for its command lines: the same as `fleetstream ingest`."""

import sys

from fleetstream.cli import main

if __name__ == "__main__":
    sys.exit(main(["ingest", *sys.argv[1:]]))
