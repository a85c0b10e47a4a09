"""Shapes of the query API's requests.

Required members, lengths and patterns are those of the service's model (``timestream-query``,
2018-11-01).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from fleetstream.emulator.store.table_properties import ApiShape, Text2048

MAX_QUERY_CHARACTERS = 262_144
MAX_ROWS = 1_000

QueryText = Annotated[str, Meta(min_length=1, max_length=MAX_QUERY_CHARACTERS)]


class QueryInsightsSettings(ApiShape, frozen=True):
    """Whether the response has insights; the model's ``QueryInsights``."""

    mode: Literal["ENABLED_WITH_RATE_CONTROL", "DISABLED"]


class Query(ApiShape, frozen=True):
    """Request of the Query operation."""

    query_string: QueryText
    client_token: Annotated[str, Meta(min_length=32, max_length=128)] | None = None
    next_token: Text2048 | None = None
    max_rows: Annotated[int, Meta(ge=1, le=MAX_ROWS)] | None = None
    query_insights: QueryInsightsSettings | None = None

    @property
    def with_insights(self) -> bool:
        """Whether insights are wanted."""
        return self.query_insights is not None and self.query_insights.mode != "DISABLED"


class CancelQuery(ApiShape, frozen=True):
    """Request of the CancelQuery operation."""

    query_id: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9]+$")]


class PrepareQuery(ApiShape, frozen=True):
    """Request of the PrepareQuery operation."""

    query_string: QueryText
    validate_only: bool | None = None
