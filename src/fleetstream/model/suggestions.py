"""What to choose instead of an unknown name."""

from collections.abc import Sequence
from difflib import get_close_matches

LISTED = 12
"""Names that a message lists, at most."""

COMPARED = 10_000
"""Names that are compared with the unknown one, at most."""


def suggested(name: str, names: Sequence[str]) -> str:
    """The nearest of some names, or their list, as the end of a sentence."""
    known = {each.casefold(): each for each in names[:COMPARED]}
    near = get_close_matches(name.casefold(), known, n=1, cutoff=0.7)
    if near:
        return f"did you mean {known[near[0]]!r}?"
    if not names:
        return "there are none."
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return f"choose from {', '.join(names[:LISTED])}{more}."
