"""Asking a running producer to read a source now: `POST /run/SOURCE` on its health port, with the health token."""

import json
from collections.abc import Callable, Sequence
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from aiohttp import web

from spendstream.health import token_matches
from spendstream.settings import ConfigurationError, Health

_ANSWERS = {
    "accepted": (202, "{name} is read now"),
    "running": (409, "{name} is being read already"),
    "standby": (409, "another process publishes for this deployment, and this one waits: ask that one"),
    "unknown": (404, "there is no source {name}; /healthz names all"),
}
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - an address to recognise, not to listen on


def pages(settings: Health, ask: Callable[[str], str]) -> Sequence[web.AbstractRouteDef]:
    """Return the page that takes requests; `ask` answers with a key of `_ANSWERS`."""

    async def run(request: web.Request) -> web.Response:
        if settings.token is None:
            return _answer(403, "what acts needs a token: set health.token, and send it as a bearer token")
        if not token_matches(request, settings.token):
            return _answer(401, "the bearer token is missing or wrong: send health.token")
        name = request.match_info["source"]
        status, text = _ANSWERS[ask(name)]
        return _answer(status, text.format(name=name))

    return [web.post("/run/{source}", run)]


def _answer(status: int, text: str) -> web.Response:
    return web.json_response({"detail": text}, status=status)


def ask_running(settings: Health, name: str) -> str | None:
    """Ask the producer that runs on this machine to read a source, and return its answer; None: none runs.

    Raises
    ------
    ConfigurationError
        When it refuses; the text says why.
    """
    host = "127.0.0.1" if settings.host in _EVERYWHERE else settings.host
    place = f"{host}:{settings.produce}"
    token = "" if settings.token is None else settings.token.get_secret_value()
    request = Request(
        f"http://{place}/run/{quote(name, safe='')}", method="POST", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310 - always http
            return str(json.load(answer)["detail"])
    except HTTPError as error:
        try:
            detail = json.load(error)["detail"]
        except (ValueError, KeyError, TypeError):
            detail = f"it answers {error.code}; is it spendstream's producer? (health.produce)"
        raise ConfigurationError(f"the producer on {place}: {detail}") from None
    except URLError as error:
        if isinstance(error.reason, ConnectionRefusedError):
            return None
        raise ConfigurationError(f"the producer on {place} does not answer: {error.reason}") from None
