"""Rows of texts as records: what scheduled queries and batch load tasks have in common."""
