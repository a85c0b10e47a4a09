"""Batch load tasks: CSV files in S3 that are written to a table.

Operations, data models and error reports are those of the API reference and of the developer guide,
"Using batch load".
"""
