"""The report of a run: one HTML page that needs nothing else."""

from fleetstream.report.report.content import Report, report_on
from fleetstream.report.report.page import write_report

__all__ = ["Report", "report_on", "write_report"]
