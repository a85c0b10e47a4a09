"""Fixtures for pytest: a local Timestream, and tables of generated telemetry.

pytest imports this module at every start where fleetstream is installed, so everything else is
imported when a fixture is used.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from fleetstream.emulator import LocalTimestream
    from fleetstream.testing import TelemetryTable, TimestreamDatabase


class FillTable(Protocol):
    """The fixture ``telemetry``."""

    def __call__(self, table: str = "telemetry", **options: Any) -> "TelemetryTable":
        """See ``TimestreamDatabase.telemetry``."""


@pytest.fixture(scope="session")
def local_timestream_options() -> dict[str, Any]:
    """Parameters of ``LocalTimestream``; a project's own fixture of this name replaces them."""
    return {}


@pytest.fixture(scope="session")
def local_timestream_server(
    local_timestream_options: dict[str, Any],
) -> "Iterator[LocalTimestream]":
    """A local Timestream that all tests of the session share."""
    try:
        from fleetstream.emulator import LocalTimestream
    except ModuleNotFoundError as error:
        pytest.fail(
            f"The local Timestream requires the package {error.name!r}; install it with"
            " `pip install 'fleetstream[pytest]'`.",
            pytrace=False,
        )
    with LocalTimestream(**local_timestream_options) as server:
        yield server


@pytest.fixture
def local_timestream(
    local_timestream_server: "LocalTimestream",
) -> "Iterator[TimestreamDatabase]":
    """An empty database of a local Timestream, with boto3's clients, for one test.

    During the test, AWS's environment variables name the local Timestream as the endpoint, so code
    under test uses it unchanged. What the test creates is deleted at its end.
    """
    from fleetstream.testing import timestream_database

    with timestream_database(local_timestream_server) as database:
        yield database


@pytest.fixture
def telemetry(local_timestream: "TimestreamDatabase") -> FillTable:
    """Creates a table of generated telemetry: ``telemetry(start="1h", include_region="…")``.

    The options are those of ``fleetstream ingest``, with underscores.
    """
    return local_timestream.telemetry
