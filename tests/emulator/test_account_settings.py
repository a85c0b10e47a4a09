"""Settings of the account, and that no operation is missing."""

from pathlib import Path
from typing import Any

import botocore.session
import pytest

from fleetstream.emulator import LocalTimestream
from tests.emulator.conftest import error_message
from tests.emulator.endpoint import Endpoint
from tests.emulator.wire import post


def test_settings_are_kept(tmp_path: Path) -> None:
    timestream = LocalTimestream(tmp_path / "store")
    with timestream:
        query = Endpoint(timestream.url).query
        before = query.describe_account_settings()
        assert before["MaxQueryTCU"] == 1000
        assert before["QueryPricingModel"] == "COMPUTE_UNITS"
        assert before["QueryCompute"] == {"ComputeMode": "ON_DEMAND"}
        assert query.update_account_settings(MaxQueryTCU=16)["MaxQueryTCU"] == 16
        capacity = {"TargetQueryTCU": 8}
        compute = {"ComputeMode": "PROVISIONED", "ProvisionedCapacity": capacity}
        query.update_account_settings(QueryCompute=compute)
    with timestream:
        after = Endpoint(timestream.url).query.describe_account_settings()
    assert after["MaxQueryTCU"] == 16
    assert after["QueryCompute"]["ProvisionedCapacity"] == {
        "ActiveQueryTCU": 8,
        "LastUpdate": {"TargetQueryTCU": 8, "Status": "SUCCEEDED"},
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"MaxQueryTCU": 5}, "MaxQueryTCU must be a multiple of 4"),
        ({"MaxQueryTCU": 1004}, "from 4 to 1000"),
        ({"QueryPricingModel": "BYTES_SCANNED"}, "can only be changed to COMPUTE_UNITS"),
        ({"QueryCompute": {"ComputeMode": "PROVISIONED"}}, "needs a ProvisionedCapacity"),
        (
            {"QueryCompute": {"ProvisionedCapacity": {"TargetQueryTCU": 4}}},
            "needs a ProvisionedCapacity",
        ),
    ],
)
def test_invalid_settings(endpoint: Endpoint, settings: dict[str, Any], message: str) -> None:
    call = endpoint.query.update_account_settings
    assert message in error_message("ValidationException", 400, call, **settings)


@pytest.mark.parametrize("service", ["timestream-write", "timestream-query"])
def test_every_operation_of_the_service_exists(endpoint: Endpoint, service: str) -> None:
    """An empty request gets a response of the operation, not an UnknownOperationException."""
    for operation in botocore.session.get_session().get_service_model(service).operation_names:
        answer = post(endpoint.port, operation, b"{}")
        assert answer.status in (200, 400), operation
        if answer.status == 400:
            assert answer.error[1] != "UnknownOperationException", operation
