"""The query API's operations on the settings of the account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.store.catalog import ACCOUNT, REGION
from fleetstream.emulator.store.store import TimestreamStore
from fleetstream.emulator.store.table_properties import ApiShape, Text2048
from fleetstream.emulator.store.writer import Writer

DOCUMENTS = "account-settings"
"""The kind of the catalog's document that holds the settings."""
MAX_QUERY_TCU = 1_000
TCU_STEP = 4

_ARN = f"arn:aws:timestream:{REGION}:{ACCOUNT}:account-settings"


class _Sns(ApiShape, frozen=True):
    topic_arn: Text2048


class _Notification(ApiShape, frozen=True, omit_defaults=True):
    role_arn: Text2048
    sns_configuration: _Sns | None = None


class _ProvisionedCapacity(ApiShape, frozen=True, omit_defaults=True):
    target_query_tcu: Annotated[int, Meta(ge=0)] = msgspec.field(name="TargetQueryTCU")
    notification_configuration: _Notification | None = None


class _QueryCompute(ApiShape, frozen=True, omit_defaults=True):
    compute_mode: Literal["ON_DEMAND", "PROVISIONED"] | None = None
    provisioned_capacity: _ProvisionedCapacity | None = None


class DescribeAccountSettings(ApiShape, frozen=True):
    """Request of the DescribeAccountSettings operation."""


class AccountSettings(ApiShape, frozen=True, omit_defaults=True):
    """The settings, and the request of the UpdateAccountSettings operation, which changes some."""

    max_query_tcu: int | None = msgspec.field(name="MaxQueryTCU", default=None)
    query_pricing_model: Literal["BYTES_SCANNED", "COMPUTE_UNITS"] | None = None
    query_compute: _QueryCompute | None = None


_DEFAULTS = AccountSettings(MAX_QUERY_TCU, "COMPUTE_UNITS", _QueryCompute("ON_DEMAND"))


class AccountSettingsOperations:
    """One method per operation; the settings are stored and described, and have no effect."""

    def __init__(self, store: TimestreamStore, writer: Writer) -> None:
        self._store = store
        self._writer = writer

    @property
    def table(self) -> dict[str, tuple[type[Any], Callable[[Any], dict[str, Any]]]]:
        """The request's shape and the method of each operation."""
        return {
            "DescribeAccountSettings": (DescribeAccountSettings, self.describe),
            "UpdateAccountSettings": (AccountSettings, self.update),
        }

    def describe(self, _request: DescribeAccountSettings) -> dict[str, Any]:
        return _description(self._settings())

    def update(self, request: AccountSettings) -> dict[str, Any]:
        """Change the settings that the request has; raises ValidationException for a bad one."""
        _check(request)

        def change() -> AccountSettings:
            given = {name: value for name, value in _members(request).items() if value is not None}
            settings = msgspec.structs.replace(self._settings(), **given)
            content = msgspec.json.encode(settings).decode()
            self._store.change(lambda catalog: catalog.put_document(DOCUMENTS, _ARN, content))
            return settings

        return _description(self._writer.run(change).result())

    def _settings(self) -> AccountSettings:
        for content in self._store.catalog.documents(DOCUMENTS):
            return msgspec.json.decode(content, type=AccountSettings)
        return _DEFAULTS


def _members(settings: AccountSettings) -> dict[str, Any]:
    return msgspec.structs.asdict(settings)


def _check(request: AccountSettings) -> None:
    if request.query_pricing_model == "BYTES_SCANNED":
        raise ValidationException("QueryPricingModel can only be changed to COMPUTE_UNITS.")
    capacities = {"MaxQueryTCU": request.max_query_tcu}
    compute = request.query_compute
    if compute is not None:
        provisioned = compute.provisioned_capacity
        if (compute.compute_mode == "PROVISIONED") != (provisioned is not None):
            raise ValidationException(
                "QueryCompute needs a ProvisionedCapacity with the ComputeMode PROVISIONED, and"
                " with no other."
            )
        if provisioned is not None:
            capacities["TargetQueryTCU"] = provisioned.target_query_tcu
    for name, value in capacities.items():
        if value is not None and (value % TCU_STEP or not TCU_STEP <= value <= MAX_QUERY_TCU):
            raise ValidationException(
                f"{name} must be a multiple of {TCU_STEP} from {TCU_STEP} to {MAX_QUERY_TCU}, not"
                f" {value}."
            )


def _description(settings: AccountSettings) -> dict[str, Any]:
    described: dict[str, Any] = msgspec.to_builtins(settings)
    provisioned = described["QueryCompute"].get("ProvisionedCapacity")
    if provisioned is not None:
        target = provisioned.pop("TargetQueryTCU")
        provisioned["ActiveQueryTCU"] = target
        provisioned["LastUpdate"] = {"TargetQueryTCU": target, "Status": "SUCCEEDED"}
    return described
