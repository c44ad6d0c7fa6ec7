"""Who may read, and who may write: by a bearer token, or by a session that was begun with one.

A session is a signed cookie: the name that it was begun under, and its end. The token itself signs it, so that a token
that is taken away ends its sessions, and no process keeps anything.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web
from itsdangerous import BadData, URLSafeSerializer

from api.problems import Problem
from spendstream.settings import Settings

COOKIE = "spendstream_session"
LENGTH = timedelta(hours=12)
_PURPOSE = "spendstream session"
#: Under this name stands the token that can only read.
_READER = "reader"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; without a name it may only read."""

    name: str | None

    @property
    def writes(self) -> bool:
        """Whether it may change anything."""
        return self.name is not None


class Access:
    """The tokens of a deployment."""

    def __init__(self, settings: Settings) -> None:
        api = settings.api
        self._writers = {name: token.get_secret_value() for name, token in api.writers.items()}
        self._reader = None if api.token is None else api.token.get_secret_value()

    @property
    def signs_in(self) -> bool:
        """Whether there is a token to sign in with."""
        return self._reader is not None or bool(self._writers)

    def of_token(self, token: str) -> Caller | None:
        """Return who has a token; None: nobody."""
        # Every one is compared, so that the time tells nothing.
        found = [
            name
            for name, known in self._writers.items()
            if hmac.compare_digest(known.encode(), token.encode("utf-8", "replace"))
        ]
        if found:
            return Caller(found[0])
        if self._reader is not None and hmac.compare_digest(self._reader.encode(), token.encode("utf-8", "replace")):
            return Caller(None)
        return None

    def of_header(self, request: web.Request) -> Caller | None:
        """Return who sends a request; None: somebody whom no token lets in. Where no token is set, all may read."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        found = self.of_token(token) if scheme == "Bearer" else None
        return Caller(None) if found is None and self._reader is None else found

    def writer(self, request: web.Request) -> str:
        """Return the name under which a request may change something.

        Raises
        ------
        Problem
            403, when nothing can be changed here, or the token can only read; 401, without a token.
        """
        if not self._writers:
            raise Problem(403, "this API only reads", "to write, give a token a name in api.writers, see docs/api.md")
        found = self.of_header(request)
        if found is not None and found.name is not None:
            return found.name
        if "Authorization" in request.headers and found is not None and self._reader is not None:
            raise Problem(403, "this token can only read", "send one of those that api.writers names")
        raise Problem(401, "no token that may write", "send the header Authorization: Bearer TOKEN")

    def session(self, caller: Caller, now: datetime) -> str:
        """Return the cookie of a session that begins now."""
        name = _READER if caller.name is None else caller.name
        until = int((now + LENGTH).timestamp())
        signed = self._serializer(caller).dumps([name, caller.writes, until])
        return signed if isinstance(signed, str) else signed.decode()

    def of_session(self, request: web.Request, now: datetime) -> Caller | None:
        """Return whose session a request belongs to; None: nobody's, or it has ended."""
        cookie = request.cookies.get(COOKIE, "")
        for caller in (Caller(None), *map(Caller, self._writers)):
            if caller.name is None and self._reader is None:
                continue
            try:
                _, writes, until = self._serializer(caller).loads(cookie)
            except (BadData, ValueError, TypeError):
                continue
            if writes == caller.writes and datetime.fromtimestamp(until, UTC) > now:
                return caller
        return Caller(None) if self._reader is None else None

    def _serializer(self, caller: Caller) -> URLSafeSerializer:
        key = self._writers[caller.name] if caller.name is not None else self._reader or ""
        return URLSafeSerializer(key, salt=f"{_PURPOSE} {caller.name or _READER}")
