"""`python -m fleetstream` is the same as `fleetstream`."""

import sys

from fleetstream.cli import main

sys.exit(main())
