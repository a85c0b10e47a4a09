"""Runs, from their description to the accounts of every record."""
