"""Writes the parts of the documentation that come from the program: ``make docs``."""

from pathlib import Path

DOCS = Path(__file__).parents[1]
