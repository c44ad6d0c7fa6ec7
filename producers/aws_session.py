"""Reaching AWS: sessions for several payer accounts, and errors in words that say what to do."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)
from botocore.model import OperationModel
from botocore.session import get_session

from producers.recording import NoTape, Tape
from producers.source import SourceError
from spendstream.settings import Aws, Payer

#: Throttled and failed calls are free: botocore repeats them with exponential backoff and jitter.
_PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=10, read_timeout=60)

_ADVICE = {
    "ExpiredTokenException": "the AWS credentials have expired: log in again (`aws sso login`), or give it a role",
    "UnrecognizedClientException": "AWS does not know these credentials: check AWS_ACCESS_KEY_ID and its secret",
    "AccessDeniedException": "AWS refuses it: allow the action for these credentials (`spendstream doctor` lists all)",
    "DataUnavailableException": "Cost Explorer has no data for this account yet: it takes a day after it was enabled",
    "BillExpirationException": "AWS keeps no bill that old: ask for a later month",
    "ThrottlingException": "AWS throttles these requests, also after several tries: it is read again when next due",
}
_SAME = {
    "ExpiredToken": "ExpiredTokenException",
    "RequestExpired": "ExpiredTokenException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "InvalidSignatureException": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "UnrecognizedClientException",
    "IncompleteSignature": "UnrecognizedClientException",
    "AccessDenied": "AccessDeniedException",
    "LimitExceededException": "ThrottlingException",
    "Throttling": "ThrottlingException",
    "TooManyRequestsException": "ThrottlingException",
}


def explained(error: BotoCoreError | ClientError, what: str) -> SourceError:
    """Return an error of boto3 in words that say what is wrong and what to do; no secret is part of it."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        text = error.response.get("Error", {}).get("Message", "")
        advice = _ADVICE.get(_SAME.get(code, code), "")
        return SourceError(f"{what}: {code}: {text}" + (f" — {advice}" if advice else ""))
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return SourceError(
            f"{what}: there are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or run where a role is attached"
        )
    if isinstance(error, ProfileNotFound | NoRegionError):
        return SourceError(f"{what}: {error}: check AWS_PROFILE and AWS_REGION")
    if isinstance(error, BotoConnectionError | HTTPClientError):
        return SourceError(f"{what}: AWS cannot be reached: {error}: check aws.endpoint_url and the network")
    return SourceError(f"{what}: {error}")


class AwsSessions:
    """Clients for every payer account; the role of each is assumed when needed, and renewed before it runs out.

    Parameters
    ----------
    settings
        How AWS is reached.
    tape
        Keeps, or gives, the answers of these clients.
    config
        Patience.
    moved
        Called at each answer, as a sign of life.
    """

    def __init__(
        self,
        settings: Aws,
        tape: Tape | None = None,
        config: Config = _PATIENT,
        moved: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._tape = tape or NoTape()
        self._config = config
        self._moved = moved
        self.client = cache(self._client)

    def own_account(self) -> Payer:
        """Return the account of the credentials.

        Raises
        ------
        SourceError
            When AWS does not say whose credentials they are.
        """
        try:
            account = self._client("sts", "us-east-1").get_caller_identity()["Account"]
        except (BotoCoreError, ClientError) as error:
            raise explained(error, "the account of the AWS credentials cannot be found") from None
        return Payer(account=account)

    def _client(self, service: str, region: str, payer: Payer | None = None) -> Any:  # noqa: ANN401 - boto3 is untyped
        if self._tape.plays:
            # Nothing is signed or sent, and no credentials are looked for.
            session = boto3.Session(aws_access_key_id="recorded", aws_secret_access_key="recorded")  # noqa: S106
        else:
            session = boto3.Session() if payer is None or payer.role_arn is None else self._assumed(payer)
        client = session.client(
            service,  # type: ignore[call-overload]
            region_name=region,
            endpoint_url=self._settings.endpoint_url,
            config=self._config,
        )
        client.meta.events.register("after-call", _whole)
        client.meta.events.register("after-call", lambda **_: self._moved())
        self._tape.attach(client, "" if payer is None else payer.account)
        return client

    def _assumed(self, payer: Payer) -> boto3.Session:
        credentials = RefreshableCredentials.create_from_metadata(
            metadata=self._assume(payer), refresh_using=lambda: self._assume(payer), method="sts-assume-role"
        )
        session = get_session()
        session._credentials = credentials  # type: ignore[attr-defined] # noqa: SLF001 - botocore offers no other way
        return boto3.Session(botocore_session=session)

    def _assume(self, payer: Payer) -> dict[str, str]:
        request: dict[str, Any] = {
            "RoleArn": payer.role_arn,
            "RoleSessionName": f"spendstream-{datetime.now(UTC):%Y%m%dT%H%M%S}",
        }
        if payer.external_id is not None:
            request["ExternalId"] = payer.external_id.get_secret_value()
        try:
            found = self._client("sts", "us-east-1").assume_role(**request)["Credentials"]
        except (BotoCoreError, ClientError) as error:
            raise explained(error, f"the role {payer.role_arn} cannot be assumed") from None
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }


def _whole(http_response: AWSResponse, model: OperationModel, **_: object) -> None:
    """Refuse an answer that was cut short: botocore takes it for one without members."""
    headers = http_response.headers
    length = headers.get("Content-Length")
    if length is None or "Content-Encoding" in headers or model.has_streaming_output:
        return
    if len(http_response.content) < int(length):
        raise ConnectionClosedError(endpoint_url=http_response.url)
