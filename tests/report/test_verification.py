"""Findings of verifications, as text."""

import pytest

from fleetstream.report.verification import VerificationProgress, show_findings
from fleetstream.verify.findings import Fault, Findings, WrongRecord


def test_findings_are_printed_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    findings = Findings(expected=1_000, held=995, partial=20, absent=8, finished=True)
    findings.faults[Fault.MISSING] = 7
    example = WrongRecord("2026-11-01 00:00:00", "a/b/c", "gc_pause", "must be 81.24")
    findings.examples[Fault.MISSING] = [example] * 5
    hint = "complete them with `fleetstream ingest --resume`."
    show_findings(findings, 4, "a table", 5.8409)
    assert capsys.readouterr().out.splitlines() == [
        "Compared 995 records in a table",
        "with 1,000 expected from 4 sweeps, in 5.84 s.",
        f"Of 20 records of interrupted sweeps, 12 are there; {hint}",
        "Missing: 7",
        *["  2026-11-01 00:00:00 gc_pause must be 81.24", "    of a/b/c"] * 5,
        "  and 2 more",
        "It does not match.",
    ]


@pytest.mark.parametrize(
    ("finished", "verdict"),
    [(True, "It matches."), (False, "Stopped before everything was compared.")],
)
def test_verdicts(capsys: pytest.CaptureFixture[str], finished: bool, verdict: str) -> None:
    show_findings(Findings(finished=finished), 0, "a table", 0.1)
    assert capsys.readouterr().out.splitlines()[-1] == verdict


def test_progress_is_silent_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with VerificationProgress(100) as progress:
        progress.advance(50)
        assert progress.seconds >= 0
    assert capsys.readouterr() == ("", "")
