"""The account: everything about Amazon Timestream that botocore knows better than we do.

Region, profile, credentials and their refreshing, endpoint discovery, signing, certificates and
proxies are botocore's, under its own rules and environment variables. What goes wrong before a run
is told in sentences.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.config
import botocore.exceptions as aws
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from fleetstream.generate.moments import MICROSECONDS
from fleetstream.targets.sink import TargetLost, TargetUnusable, Window

SIGNING_NAME = "timestream"
OPERATION = "Timestream_20181101.WriteRecords"

_ATTEMPTS = 3
_AHEAD = 15
"""Minutes that a record's time may lie in the future."""

_ACCESS = {"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"}
_CREDENTIALS = {
    "ExpiredTokenException": "have expired",
    "InvalidSignatureException": "are wrong (the signature does not match)",
    "MissingAuthenticationTokenException": "are incomplete",
    "UnrecognizedClientException": "are not known to AWS",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A table of Amazon Timestream and the way to it; None where botocore's own rules decide."""

    database: str
    table: str
    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None


class Account:
    """Access to one table.

    Raises :class:`ValueError` when no region is given anywhere, and :class:`TargetUnusable` when
    there is no such profile.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        try:
            self._session = boto3.Session(profile_name=target.profile, region_name=target.region)
            # Timestream discovers its endpoints unless one is given.
            self._client = self._session.client(
                "timestream-write",
                endpoint_url=target.endpoint_url,
                config=botocore.config.Config(
                    connect_timeout=5,
                    read_timeout=30,
                    retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                ),
            )
        except aws.ProfileNotFound as error:
            raise TargetUnusable(
                f"There is no AWS profile {target.profile!r}; `aws configure list-profiles` lists "
                "those that there are."
            ) from error
        except aws.NoRegionError as error:
            raise ValueError(
                "No AWS region is given; name one with --region, for example --region us-east-1."
            ) from error
        except aws.BotoCoreError as error:
            raise TargetUnusable(f"The target can't be used: {error}") from error
        self.window: Window | None = None
        """The times that the table takes, known once it was asked for."""
        self._discovered: str | None = None
        self._rediscover_at = 0.0

    @property
    def region(self) -> str:
        """The region that requests are signed for."""
        return str(self._client.meta.region_name)

    @property
    def ca_bundle(self) -> str | None:
        """The file of trusted certificates that botocore's settings name, if they name one."""
        bundle: str | None = self._session._session.get_config_variable("ca_bundle")  # noqa: SLF001
        return bundle

    def query_client(self) -> Any:
        """Boto3's client of the query API, for the same table.

        A given endpoint is taken for that of the query API too, unless it is one of AWS's own for
        writes alone (``ingest-…``); then the other is discovered.
        """
        url = self.target.endpoint_url
        if url is not None and (urlsplit(url).hostname or "").startswith("ingest"):
            url = None
        return self._session.client(
            "timestream-query",
            endpoint_url=url,
            config=botocore.config.Config(
                connect_timeout=5, retries={"mode": "standard", "total_max_attempts": _ATTEMPTS}
            ),
        )

    def check(self) -> None:
        """Make sure that the table can be reached; raises :class:`TargetUnusable` if not."""
        target = self.target
        try:
            answer = self._client.describe_table(
                DatabaseName=target.database, TableName=target.table
            )
        except aws.ClientError as error:
            raise TargetUnusable(self._explain(error)) from error
        except (aws.NoCredentialsError, aws.PartialCredentialsError) as error:
            raise TargetUnusable(
                "No complete AWS credentials were found; run `aws configure`, set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with --profile."
            ) from error
        except (aws.HTTPClientError, aws.ConnectionError) as error:
            raise TargetUnusable(
                f"{self._whereabouts()} does not answer ({type(error).__name__}); check the "
                "region, the endpoint URL and the network."
            ) from error
        except aws.BotoCoreError as error:
            raise TargetUnusable(f"The target can't be used: {error}") from error
        self.window = _window(answer.get("Table", {}))

    def endpoint(self) -> str:
        """The URL to send writes to: as given, or as discovered and then kept for its period.

        Raises what botocore raises when the service can't be asked.
        """
        if self.target.endpoint_url:
            return self.target.endpoint_url
        now = time.monotonic()
        if self._discovered is None or now >= self._rediscover_at:
            found = self._client.describe_endpoints()["Endpoints"][0]
            self._discovered = f"https://{found['Address']}"
            self._rediscover_at = now + 60 * found["CachePeriodInMinutes"]
        return self._discovered

    def forget_endpoint(self) -> None:
        """Discover the endpoint again before the next request: the known one has moved."""
        self._discovered = None

    def sign(self, url: str, body: bytes) -> dict[str, str]:
        """The headers of a signed WriteRecords request; fresh credentials are fetched if due."""
        frozen = self._frozen()
        request = AWSRequest(
            "POST",
            url,
            headers={"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": OPERATION},
            data=body,
        )
        SigV4Auth(frozen, SIGNING_NAME, self.region).add_auth(request)
        return dict(request.headers.items())

    def renewed(self, headers: Mapping[str, str]) -> bool:
        """Look for credentials afresh, since the service does not take those of ``headers`` more.

        Botocore refreshes credentials whose end it knows; those in a file or from a login are read
        again only here. Gives whether the ones found now are others.
        """
        try:
            self._session = boto3.Session(
                profile_name=self.target.profile, region_name=self._session.region_name
            )
        except aws.BotoCoreError:
            return False
        frozen = self._frozen()
        same_key = f"Credential={frozen.access_key}/" in headers["Authorization"]
        return not same_key or headers.get("X-Amz-Security-Token") != frozen.token

    def _frozen(self) -> Any:
        """The credentials of now; raises :class:`TargetLost`."""
        try:
            credentials = self._session.get_credentials()
            frozen = credentials.get_frozen_credentials() if credentials else None
        except aws.BotoCoreError as error:
            raise TargetLost(f"AWS credentials could not be refreshed: {error}") from error
        if frozen is None or not frozen.access_key:
            raise TargetLost("There are no AWS credentials any more.")
        return frozen

    def _whereabouts(self) -> str:
        url = self.target.endpoint_url or self._client.meta.endpoint_url
        return f"Amazon Timestream at {urlsplit(url).netloc}"

    def _explain(self, error: aws.ClientError) -> str:
        """What a refused DescribeTable means, and what to do."""
        target, code = self.target, error.response["Error"]["Code"]
        if code == "ResourceNotFoundException":
            if not self._database_exists():
                return (
                    f"There is no database {target.database!r} in {self.region}; create it first, "
                    "or name another with --database-name."
                )
            return (
                f"There is no table {target.table!r} in the database {target.database!r} in "
                f"{self.region}; create it first, or name another with --table-name."
            )
        return explain_code(code, error.response["Error"].get("Message", ""), target)

    def _database_exists(self) -> bool:
        try:
            self._client.describe_database(DatabaseName=self.target.database)
        except aws.ClientError as error:
            return bool(error.response["Error"]["Code"] != "ResourceNotFoundException")
        return True


def _window(table: dict[str, Any]) -> Window | None:
    """The times that a table takes, by its description; None where that does not say.

    The service's guide has the rule in "Quotas": from the start of the memory store's retention, or
    of the magnetic store's if writes to it are on, until 15 minutes ahead.
    """
    retention = table.get("RetentionProperties")
    if not retention:
        return None
    hours = retention["MemoryStoreRetentionPeriodInHours"]
    why = f"The table keeps {hours:,} h in its memory store, takes no writes to its magnetic store"
    if table.get("MagneticStoreWriteProperties", {}).get("EnableMagneticStoreWrites"):
        days = retention["MagneticStoreRetentionPeriodInDays"]
        hours, why = 24 * days, f"The table keeps {days:,} d in its magnetic store"
    now = time.time_ns() // 1_000
    return Window(
        max(now - hours * 3_600 * MICROSECONDS, 0),
        now + _AHEAD * 60 * MICROSECONDS,
        f"{why}, and takes nothing more than {_AHEAD} minutes ahead.",
    )


def explain_code(code: str, message: str, target: Target) -> str:
    """A sentence or two on an error code of the service that no retry mends."""
    table = f"{target.database}.{target.table}"
    if code == "ResourceNotFoundException":
        return f"The table {table} is not there any more."
    if code in _ACCESS:
        return (
            f"These AWS credentials may not use the table {table}; they need "
            "timestream:DescribeEndpoints, timestream:DescribeTable and timestream:WriteRecords."
        )
    if code in _CREDENTIALS:
        return f"The AWS credentials {_CREDENTIALS[code]}; renew them, or use another --profile."
    return f"Amazon Timestream refuses the table {table}: {code}, {message or 'no reason given'}."


def is_of_credentials(code: str) -> bool:
    """Whether an error code means that other credentials would help."""
    return code in _CREDENTIALS


def ends_the_run(code: str) -> bool:
    """Whether an error code means that the table can't be written to any more."""
    return code == "ResourceNotFoundException" or code in _ACCESS or code in _CREDENTIALS
