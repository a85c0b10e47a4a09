"""Scheduled queries: queries that are run on a schedule, and whose results are written to a table.

Operations, mappings and error reports are those of the API reference and of the developer guide,
"Using scheduled queries".
"""
