"""Access to a table of Amazon Timestream by the rules of botocore.

botocore decides on region, profile, credentials and their refreshing, endpoint discovery, and the
CA bundle, by its own configuration and environment variables. What goes wrong before a run becomes
one clear message.
"""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.config
import botocore.exceptions as aws
import botocore.session
from botocore.httpsession import get_cert_path

from fleetstream.generate.moments import MICROSECONDS, now
from fleetstream.targets.http import AwsSigner, named_ca_bundle
from fleetstream.targets.sink import TargetLost, TargetUnusable, TimeWindow
from fleetstream.targets.timestream.connection_faults import CONNECTION_ERRORS, connection_fault

SIGNING_NAME = "timestream"

_WRITES = "timestream-write"
"""botocore's name of the API for writes."""

_ATTEMPTS = 3
_CONNECT_SECONDS, _READ_SECONDS = 5, 30
_MINUTES_AHEAD = 15
"""How far in the future the time of a record may be."""

_ACCESS = {"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"}

_CLOSED = "Only existing Timestream for LiveAnalytics customers"
"""How the service refuses accounts that have not used it before."""

_CREDENTIALS = {
    "ExpiredTokenException": "have expired",
    "InvalidSignatureException": "are wrong (the signature does not match)",
    "MissingAuthenticationTokenException": "are incomplete",
    "UnrecognizedClientException": "are not known to AWS",
}


@dataclass(frozen=True, slots=True)
class TimestreamTable:
    """A table and the way to it; None where botocore's own rules decide."""

    database: str
    name: str
    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None


class Account:
    """Access to one table.

    Raises ValueError where no region is given anywhere, or what cannot be one, and TargetUnusable
    where the profile does not exist.
    """

    def __init__(self, table: TimestreamTable) -> None:
        self.table = table
        try:
            self._configuration = botocore.session.Session(profile=table.profile)
            self._session = boto3.Session(
                botocore_session=self._configuration, region_name=table.region
            )
            # Timestream's endpoint is discovered unless one is given.
            self._client = self._client_of(_WRITES, table.endpoint_url)
        except aws.ProfileNotFound as error:
            raise TargetUnusable(
                f"There is no AWS profile {error.kwargs['profile']!r}; "
                "`aws configure list-profiles` lists those that exist."
            ) from error
        except aws.NoRegionError as error:
            raise ValueError(
                "No AWS region is given; name one with --region, for example --region us-east-1."
            ) from error
        except aws.InvalidRegionError as error:
            raise ValueError(
                f"{error.kwargs['region_name']!r} is not an AWS region; one looks like us-east-1."
            ) from error
        except aws.BotoCoreError as error:
            raise TargetUnusable(f"The target cannot be used: {error}") from error
        self.window: TimeWindow | None = None
        """The timestamps that the table accepts, known after :meth:`check`."""
        self._discovered: str | None = None
        self._rediscover_at = 0.0

    @property
    def name(self) -> str:
        """The table and where it is, for people."""
        table = self.table
        at = f" at {urlsplit(table.endpoint_url).netloc}" if table.endpoint_url else ""
        return f"Amazon Timestream, {table.database}.{table.name} in {self.region}{at}"

    @property
    def region(self) -> str:
        """The region that requests are signed for."""
        return str(self._client.meta.region_name)

    @property
    def ca_bundle(self) -> str:
        """The file or folder of trusted certificates.

        botocore's settings (AWS_CA_BUNDLE among them) come before the variables of other programs,
        and botocore's own certificates are the default.
        """
        bundle = self._configuration.get_config_variable("ca_bundle")
        return str(bundle or named_ca_bundle() or get_cert_path(verify=True))

    def query_client(self) -> Any:
        """boto3's client of the query API.

        A given endpoint is used for queries too, unless it is one of AWS's own for writes alone
        (``ingest-…``); then the endpoint for queries is discovered.
        """
        url = self.table.endpoint_url
        if url is not None and (urlsplit(url).hostname or "").startswith("ingest"):
            url = None
        return self._client_of("timestream-query", url)

    def check(self) -> None:
        """Make sure that the table can be reached. Raises TargetUnusable."""
        table = self.table
        try:
            self.endpoint()  # where it is to be discovered, botocore does not say why it cannot be
            answer = self._client.describe_table(DatabaseName=table.database, TableName=table.name)
        except aws.ClientError as error:
            raise TargetUnusable(self._explain(error)) from error
        except (aws.NoCredentialsError, aws.PartialCredentialsError) as error:
            raise TargetUnusable(
                "No complete AWS credentials were found; run `aws configure`, set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with --profile."
            ) from error
        except CONNECTION_ERRORS as error:
            raise TargetUnusable(
                f"{self._service_name()} does not answer ({connection_fault(error)}); "
                f"{self._remedy()}"
            ) from error
        except aws.BotoCoreError as error:
            raise TargetUnusable(f"The target cannot be used: {error}") from error
        received = answer["ResponseMetadata"]
        if "html" in received["HTTPHeaders"].get("content-type", ""):
            raise TargetUnusable(self._other_server(received["HTTPStatusCode"]))
        self.window = _window_of(answer.get("Table", {}))

    def endpoint(self) -> str:
        """The URL to send writes to: as given, or as discovered and kept while it is valid.

        Raises botocore's exceptions where the service cannot be reached.
        """
        if self.table.endpoint_url:
            return self.table.endpoint_url
        now = time.monotonic()
        if self._discovered is None or now >= self._rediscover_at:
            found = self._client.describe_endpoints()["Endpoints"][0]
            self._discovered = f"https://{found['Address']}"
            self._rediscover_at = now + 60 * found["CachePeriodInMinutes"]
        return self._discovered

    def forget_endpoint(self) -> None:
        """Discover the endpoint again before the next request."""
        self._discovered = None

    def signer(self) -> AwsSigner:
        """The credentials of now, refreshed if they are due. Raises TargetLost."""
        try:
            credentials = self._session.get_credentials()
            frozen = credentials.get_frozen_credentials() if credentials else None
        except aws.BotoCoreError as error:
            raise TargetLost(f"AWS credentials could not be refreshed: {error}") from error
        if frozen is None or not frozen.access_key:
            raise TargetLost("There are no AWS credentials any more.")
        return AwsSigner(
            frozen.access_key, frozen.secret_key, frozen.token, self.region, SIGNING_NAME
        )

    def renewed(self, refused: AwsSigner) -> bool:
        """Load credentials again, since the service refuses those; returns whether they changed.

        botocore refreshes credentials whose expiry it knows. Those in a file or from a login are
        read again only here.
        """
        try:
            self._session = boto3.Session(
                profile_name=self.table.profile, region_name=self._session.region_name
            )
        except aws.BotoCoreError:
            return False
        return self.signer() != refused

    def _client_of(self, service: str, url: str | None) -> Any:
        return self._session.client(
            service,
            endpoint_url=url,
            config=botocore.config.Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            ),
        )

    def _service_name(self) -> str:
        url = self.table.endpoint_url or self._client.meta.endpoint_url
        return f"Amazon Timestream at {urlsplit(url).netloc}"

    def _remedy(self) -> str:
        """What may help where the service does not answer."""
        if self.table.endpoint_url is not None:
            return "check the endpoint URL and the network."
        regions = self._session.get_available_regions(_WRITES)
        if self.region in regions:
            return "check the network."
        return f"check the region: botocore knows the service in {', '.join(regions)}."

    def _explain(self, error: aws.ClientError) -> str:
        """The error message for a refused DescribeTable."""
        table, code = self.table, error.response["Error"]["Code"]
        if code.isdigit():  # botocore has found none of the service's in the answer
            return self._other_server(code)
        if code == "ResourceNotFoundException":
            if not self._database_exists():
                return (
                    f"There is no database {table.database!r} in {self.region}; create it first, "
                    "or name another with --database-name."
                )
            return (
                f"There is no table {table.name!r} in the database {table.database!r} in "
                f"{self.region}; create it first, or name another with --table-name."
            )
        return explain_code(code, error.response["Error"].get("Message", ""), table)

    def _other_server(self, status: object) -> str:
        return (
            f"The server at {urlsplit(self._client.meta.endpoint_url).netloc} does not answer as "
            f"Amazon Timestream does (HTTP {status}); check the endpoint URL."
        )

    def _database_exists(self) -> bool:
        try:
            self._client.describe_database(DatabaseName=self.table.database)
        except aws.ClientError as error:
            return bool(error.response["Error"]["Code"] != "ResourceNotFoundException")
        return True


def _window_of(description: dict[str, Any]) -> TimeWindow | None:
    """The timestamps that a table accepts by its description; None where that does not say.

    The service's guide has the rule in "Quotas": from the start of the memory store's retention, or
    of the magnetic store's if writes to it are enabled, until 15 minutes ahead.
    """
    retention = description.get("RetentionProperties")
    if not retention:
        return None
    hours = retention["MemoryStoreRetentionPeriodInHours"]
    reason = (
        f"The table keeps {hours:,} h in its memory store, has no magnetic-store writes enabled"
    )
    if description.get("MagneticStoreWriteProperties", {}).get("EnableMagneticStoreWrites"):
        days = retention["MagneticStoreRetentionPeriodInDays"]
        hours, reason = 24 * days, f"The table keeps {days:,} d in its magnetic store"
    current = now()
    return TimeWindow(
        max(current - hours * 3_600 * MICROSECONDS, 0),
        current + _MINUTES_AHEAD * 60 * MICROSECONDS,
        f"{reason}, and accepts nothing more than {_MINUTES_AHEAD} minutes ahead.",
    )


def explain_code(code: str, message: str, table: TimestreamTable) -> str:
    """The error message for an error code of the service that no retry mends."""
    name = f"{table.database}.{table.name}"
    if code == "ResourceNotFoundException":
        return f"The table {name} does not exist any more."
    if code in _ACCESS and _CLOSED in message:
        return (
            "AWS does not let this account use Amazon Timestream for LiveAnalytics, which has been "
            "closed to new customers since June 2025. Use a local Timestream (fleetstream serve), "
            "or Amazon Timestream for InfluxDB (--to influx:URL)."
        )
    if code in _ACCESS:
        return (
            f"These AWS credentials may not use the table {name}; they need "
            "timestream:DescribeEndpoints, timestream:DescribeTable and timestream:WriteRecords."
        )
    if code in _CREDENTIALS:
        return f"The AWS credentials {_CREDENTIALS[code]}; renew them, or use another --profile."
    return f"Amazon Timestream refuses the table {name}: {code}, {message or 'no reason given'}."


def is_of_credentials(code: str) -> bool:
    """Whether an error code means that other credentials would help."""
    return code in _CREDENTIALS


def ends_the_run(code: str) -> bool:
    """Whether an error code means that the table cannot be written to any more."""
    return code == "ResourceNotFoundException" or code in _ACCESS or code in _CREDENTIALS
