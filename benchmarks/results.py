"""Results: a question, its target, and what was reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Result:
    """One row of the table; ``reached`` has one figure per repetition, whose median counts."""

    question: str
    target: str
    reached: Sequence[float]
    met: bool
    figures: str

    @property
    def row(self) -> str:
        """The row in Markdown."""
        verdict = "yes" if self.met else "**no**"
        middle, low, high = (each(self.reached) for each in (median, min, max))
        reached = f"{middle:,.2f} | {low:,.2f} – {high:,.2f}"
        return f"| {self.question} | {self.target} | {reached} | {verdict} | {self.figures} |"


def at_least(question: str, target: float, reached: Sequence[float], figures: str = "") -> Result:
    """A result whose median is to be no lower than its target."""
    return Result(question, f"≥ {target:g}", reached, median(reached) >= target, figures)


def at_most(question: str, target: float, reached: Sequence[float], figures: str = "") -> Result:
    """A result whose median is to be no higher than its target."""
    return Result(question, f"≤ {target:g}", reached, median(reached) <= target, figures)


def against(figures: Sequence[float], others: Sequence[float], unit: str, scale: float = 1) -> str:
    """Two medians beside each other, in ``unit`` after a division by ``scale``."""
    return f"{median(figures) / scale:,.4g} against {median(others) / scale:,.4g} {unit}"
