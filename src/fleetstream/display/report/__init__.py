"""The report of a run: one HTML page that needs nothing else."""

from fleetstream.display.report.content import Report, report_on
from fleetstream.display.report.page import write_report

__all__ = ["Report", "report_on", "write_report"]
