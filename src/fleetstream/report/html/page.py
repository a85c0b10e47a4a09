"""The page of a report, from a template and its assets.

Charts are drawn by uPlot, a small chart library that lies beside this module with its licence.
"""

from importlib import resources
from pathlib import Path

import jinja2
import msgspec

from fleetstream.report import wording
from fleetstream.report.report.content import Report

_SCRIPTS = ("vendor/uPlot.iife.min.js", "charts.js")
_STYLES = ("vendor/uPlot.min.css", "page.css")


def write_report(path: Path, report: Report) -> None:
    """Write the report as one page that loads nothing from elsewhere; raises OSError."""
    path.write_text(page(report), encoding="utf-8")


def page(report: Report) -> str:
    """The report as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # In a script element, nothing but "</" and "<!" could end the data.
    data = msgspec.json.encode(report).decode().replace("<", "\\u003c")
    return environment.get_template("page.html").render(
        report=report,
        summary=report.summary,
        words=wording,
        data=data,
        scripts=[_asset(name) for name in _SCRIPTS],
        styles=[_asset(name) for name in _STYLES],
    )


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
