"""The query API's operations on scheduled queries."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fleetstream.emulator.api.catalog_operations import page, tags_of
from fleetstream.emulator.errors import ConflictException, ValidationException
from fleetstream.emulator.scheduled import shapes
from fleetstream.emulator.scheduled.definition import ScheduledQuery
from fleetstream.emulator.scheduled.run import ScheduledQueryRunner
from fleetstream.emulator.scheduled.schedule import read_schedule
from fleetstream.emulator.scheduled.scheduler import Scheduler
from fleetstream.emulator.store.catalog import ACCOUNT, REGION
from fleetstream.emulator.store.store import TimestreamStore


class ScheduledQueryOperations:
    """One method per operation; each returns the response as JSON types."""

    def __init__(
        self, store: TimestreamStore, runner: ScheduledQueryRunner, scheduler: Scheduler
    ) -> None:
        self._clock = store.clock
        self._runner = runner
        self._scheduler = scheduler

    @property
    def table(self) -> dict[str, tuple[type[Any], Callable[[Any], dict[str, Any]]]]:
        """The request's shape and the method of each operation."""
        return {
            "CreateScheduledQuery": (shapes.CreateScheduledQuery, self.create),
            "DeleteScheduledQuery": (shapes.ScheduledQueryReference, self.delete),
            "DescribeScheduledQuery": (shapes.ScheduledQueryReference, self.describe),
            "ExecuteScheduledQuery": (shapes.ExecuteScheduledQuery, self.execute),
            "ListScheduledQueries": (shapes.ListScheduledQueries, self.list_queries),
            "UpdateScheduledQuery": (shapes.UpdateScheduledQuery, self.update),
        }

    def create(self, request: shapes.CreateScheduledQuery) -> dict[str, Any]:
        """Create a query; the same request with the same ClientToken returns the same one."""
        for query in self._scheduler.queries():
            if request.client_token and query.request.client_token == request.client_token:
                if query.request != request:
                    raise ConflictException("The ClientToken was used with other parameters.")
                return {"Arn": query.arn}
        now = self._clock.time()
        try:
            read_schedule(request.schedule_configuration.schedule_expression, now)
        except ValueError as error:
            raise ValidationException(str(error)) from error
        target = request.target_configuration
        self._runner.check(
            request.query_string, target.timestream_configuration if target is not None else None
        )
        name = f"{request.name}-{uuid.uuid4().hex[:12]}"
        query = ScheduledQuery(
            arn=f"arn:aws:timestream:{REGION}:{ACCOUNT}:scheduled-query/{name}",
            request=request,
            created=now.timestamp(),
        )
        self._scheduler.add(query, tags_of(request.tags))
        return {"Arn": query.arn}

    def delete(self, request: shapes.ScheduledQueryReference) -> dict[str, Any]:
        self._scheduler.remove(request.scheduled_query_arn)
        return {}

    def describe(self, request: shapes.ScheduledQueryReference) -> dict[str, Any]:
        query = self._scheduler.query(request.scheduled_query_arn)
        return {"ScheduledQuery": query.description(self._scheduler.next_invocation(query))}

    def execute(self, request: shapes.ExecuteScheduledQuery) -> dict[str, Any]:
        """Run a query; unlike the service, returns when the run is over."""
        invocation = datetime.fromtimestamp(request.invocation_time, UTC)
        self._scheduler.execute(request.scheduled_query_arn, invocation)
        return {}

    def list_queries(self, request: shapes.ListScheduledQueries) -> dict[str, Any]:
        queries, token = page(self._scheduler.queries(), request.next_token, request.max_results)
        listed = [query.summary(self._scheduler.next_invocation(query)) for query in queries]
        return {"ScheduledQueries": listed, **token}

    def update(self, request: shapes.UpdateScheduledQuery) -> dict[str, Any]:
        self._scheduler.set_state(request.scheduled_query_arn, request.state)
        return {}
