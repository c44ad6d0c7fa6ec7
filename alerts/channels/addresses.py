"""Addresses that are secrets: checked when they are known, and never shown."""

from collections.abc import Mapping

from alerts.receivers import Receiver
from spendstream.settings import ConfigurationError


def address(receiver: Receiver, secrets: Mapping[str, str]) -> str:
    """Return the secret address of a receiver, the field `url`.

    Raises
    ------
    ConfigurationError
        When it is no address of the web; the text does not hold it.
    """
    url = secrets["url"]
    if not url.startswith(("https://", "http://")):
        raise ConfigurationError(f"receiver {receiver.name}: its url is no address that begins with https://")
    return url
