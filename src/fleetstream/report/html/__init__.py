"""The report of a run: one HTML page that loads nothing from elsewhere."""

from fleetstream.report.html.content import ReportContent, report_content
from fleetstream.report.html.page import write_report

__all__ = ["ReportContent", "report_content", "write_report"]
