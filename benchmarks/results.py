"""Results: a question, its target, and what was reached."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """One row of the table."""

    question: str
    target: str
    reached: str
    met: bool
    figures: str

    @property
    def row(self) -> str:
        """The row in Markdown."""
        verdict = "yes" if self.met else "**no**"
        return f"| {self.question} | {self.target} | {self.reached} | {verdict} | {self.figures} |"


def at_least(question: str, target: float, reached: float, figures: str) -> Result:
    """A result that is to be no lower than its target."""
    return Result(question, f"≥ {target:g}", f"{reached:,.2f}", reached >= target, figures)


def at_most(question: str, target: float, reached: float, figures: str) -> Result:
    """A result that is to be no higher than its target."""
    return Result(question, f"≤ {target:g}", f"{reached:,.2f}", reached <= target, figures)
