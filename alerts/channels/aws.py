"""What channels over AWS share: clients without retries of their own, and what AWS's errors mean."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ReadTimeoutError

from alerts.channels.channel import Outcome, pause_of
from spendstream.settings import ConfigurationError, Settings

#: Throttling and pauses pass.
_RETRIED = frozenset(
    {
        *("Throttled", "Throttling", "ThrottledException", "ThrottlingException", "KMSThrottling"),
        *("TooManyRequestsException", "LimitExceededException", "SendingPausedException", "AccountSuspendedException"),
        *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeout"),
    }
)
_SERVER_ERROR = 500


def client(service: str, region: str | None, settings: Settings) -> Any:  # noqa: ANN401 - made by boto3 at run time
    """Return boto3's client of a service: within the deployment's time-out, each request once.

    Without a region it is that of the environment.

    Raises
    ------
    ConfigurationError
        When boto3 cannot make it.
    """
    seconds = settings.alerts.timeout_seconds
    once = Config(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 1})
    try:
        return boto3.client(service, region_name=region, endpoint_url=settings.aws.endpoint_url, config=once)  # type: ignore[call-overload]
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"{service.upper()} cannot be used: {error}: check AWS_PROFILE and aws.endpoint_url"
        ) from None


async def call(service: str, method: Callable[..., Mapping[str, Any]], **arguments: Any) -> Outcome:  # noqa: ANN401
    """Call a method of a client in a thread, because boto3 blocks; what AWS calls the message is the handle."""
    try:
        answered = await asyncio.to_thread(method, **arguments)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        answer = error.response.get("ResponseMetadata", {})
        fails = answer.get("HTTPStatusCode", 0) >= _SERVER_ERROR and code not in _RETRIED
        return Outcome(
            accepted=False,
            retry=fails or code in _RETRIED,
            unknown=fails,
            error=f"{service} says {code}",
            retry_after=pause_of(answer.get("HTTPHeaders", {}).get("retry-after")),
        )
    except BotoCoreError as error:
        # Credentials and connections come back; the texts of these errors hold addresses.
        unknown = isinstance(error, (ReadTimeoutError, ConnectionClosedError))
        says = f"{service} cannot be asked: {type(error).__name__}"
        return Outcome(accepted=False, retry=True, unknown=unknown, error=says)
    return Outcome(accepted=True, handle=answered.get("MessageId"))
