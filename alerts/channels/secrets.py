"""Where secrets of receivers come from: the routing file, the environment, or AWS Secrets Manager.

`env:NAME` is an environment variable; `secretsmanager:NAME`, a name or an ARN, is a secret's text, and `#KEY` behind it
the value of one key, where the text is a JSON object, as AWS keeps it. No secret stands in an error.
"""

import json
import os
from collections.abc import Mapping

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from alerts.receivers import Receiver
from spendstream.settings import ConfigurationError, Settings

_ENVIRONMENT = "env:"
_SECRETS_MANAGER = "secretsmanager:"
_REGION_OF_ARN = 3


def secrets_of(receiver: Receiver, settings: Settings) -> Mapping[str, str]:
    """Return the secrets of a receiver by the names of their fields, each read from where it comes.

    May block: it may ask AWS.

    Raises
    ------
    ConfigurationError
        When one cannot be read; the text names receiver and field.
    """
    found = {}
    for name in type(receiver).model_fields:
        value = getattr(receiver, name)
        if isinstance(value, SecretStr):
            try:
                found[name] = _read(value.get_secret_value(), settings)
            except ConfigurationError as error:
                raise ConfigurationError(f"receiver {receiver.name}: {name} {error}") from None
    return found


def _read(text: str, settings: Settings) -> str:
    if text.startswith(_ENVIRONMENT):
        variable = text.removeprefix(_ENVIRONMENT)
        value = os.environ.get(variable)
        if not value:
            raise ConfigurationError(f"is to come from {variable}, which is not set")
        return value
    if text.startswith(_SECRETS_MANAGER):
        name, _, key = text.removeprefix(_SECRETS_MANAGER).partition("#")
        whole = _from_aws(name, settings)
        return _part(whole, name, key) if key else whole
    return text


def _from_aws(name: str, settings: Settings) -> str:
    region = name.split(":")[_REGION_OF_ARN] if name.startswith("arn:") and name.count(":") > _REGION_OF_ARN else None
    seconds = settings.alerts.timeout_seconds
    config = Config(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 3})
    try:
        client = boto3.client(
            "secretsmanager", region_name=region, endpoint_url=settings.aws.endpoint_url, config=config
        )
        answer = client.get_secret_value(SecretId=name)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "an error")
        raise ConfigurationError(
            f"is to come from the secret {name}, and Secrets Manager says {code}: see that it is there, in this "
            "region, and that secretsmanager:GetSecretValue is allowed"
        ) from None
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"is to come from the secret {name}, and Secrets Manager cannot be asked ({type(error).__name__}): "
            "check region, profile and credentials of AWS"
        ) from None
    text = answer.get("SecretString")
    if not text:
        raise ConfigurationError(f"is to come from the secret {name}, which holds no text")
    return str(text)


def _part(whole: str, name: str, key: str) -> str:
    try:
        document = json.loads(whole)
    except ValueError:
        document = None
    value = document.get(key) if isinstance(document, dict) else None
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"is to come from key {key} of the secret {name}, which is no JSON with that key")
    return value
