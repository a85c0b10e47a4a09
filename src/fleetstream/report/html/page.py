"""The HTML page of a report, made from a template and its assets.

Charts are drawn by uPlot, a small library that is in ``vendor`` with its licence.
"""

from importlib import resources
from pathlib import Path

import msgspec

from fleetstream.report import formats
from fleetstream.report.html.content import ReportContent

_SCRIPTS = ("vendor/uPlot.iife.min.js", "charts.js")
_STYLES = ("vendor/uPlot.min.css", "page.css")


def write_report(path: Path, report: ReportContent) -> None:
    """Write the report as one page that loads nothing from elsewhere. Raises OSError."""
    path.write_text(page(report), encoding="utf-8")


def page(report: ReportContent) -> str:
    """The report as HTML."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # In a script element, only "</" and "<!" could end the data.
    data = msgspec.json.encode(report).decode().replace("<", "\\u003c")
    return environment.get_template("page.html").render(
        report=report,
        summary=report.summary,
        formats=formats,
        data=data,
        scripts=[_asset(name) for name in _SCRIPTS],
        styles=[_asset(name) for name in _STYLES],
    )


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
