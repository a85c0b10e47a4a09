"""What all tests of targets need."""

import pytest


@pytest.fixture(autouse=True)
def settings_of_otlp(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of OTLP but those that a test makes."""
    for name in ("HEADERS", "COMPRESSION", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_METRICS_{name}", raising=False)
