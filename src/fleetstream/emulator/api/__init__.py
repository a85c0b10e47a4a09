"""The HTTP API: protocol, request validation, operations, query results and faults."""
