"""``/clock``: reading and setting the clock."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from fleetstream.emulator.api.decoding import decode
from fleetstream.emulator.api.responses import failure, success
from fleetstream.emulator.clock import SettableClock
from fleetstream.emulator.errors import ServiceError, ValidationException

_DURATION = re.compile(r"(-?\d{1,9}(?:\.\d{1,9})?)(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_MAX_BODY_BYTES = 1024
_EXPECTED = (
    'The body must be {"time": "2026-11-01T12:00:00Z"}, {"advance": "2h"} with a number of s, m, h'
    ' or d, or {"time": null} for the system\'s clock.'
)


class _ClockChange(msgspec.Struct, forbid_unknown_fields=True):
    time: str | msgspec.UnsetType | None = msgspec.UNSET
    advance: str | msgspec.UnsetType = msgspec.UNSET


class ClockEndpoints:
    """The endpoints of one clock."""

    def __init__(self, clock: SettableClock) -> None:
        self._clock = clock

    async def get(self, _request: Request) -> Response:
        """GET /clock: the time."""
        return success({"time": self._clock.time().isoformat()})

    async def put(self, request: Request) -> Response:
        """PUT /clock: set the time."""
        try:
            change = decode(await _read_body(request), _ClockChange)
            # What depends on the time has happened when the response is sent.
            await run_in_threadpool(self._apply, change)
        except (ValueError, ServiceError) as error:
            return failure(ValidationException(f"{error} {_EXPECTED}"))
        return await self.get(request)

    def _apply(self, change: _ClockChange) -> None:
        if (change.time is msgspec.UNSET) == (change.advance is msgspec.UNSET):
            raise ValueError("The clock was not changed.")
        if change.advance is not msgspec.UNSET:
            found = _DURATION.fullmatch(change.advance)
            if found is None:
                raise ValueError(f"{change.advance!r} is not a duration.")
            self._clock.advance(timedelta(**{_UNITS[found[2]]: float(found[1])}))
        elif change.time is None:
            self._clock.reset()
        elif change.time is not msgspec.UNSET:
            self._clock.set(datetime.fromisoformat(change.time))


async def _read_body(request: Request) -> bytearray:
    """Raises ValidationException for a body that is too long for any valid one."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise ValidationException(f"The body has more than {_MAX_BODY_BYTES} bytes.")
    return body
