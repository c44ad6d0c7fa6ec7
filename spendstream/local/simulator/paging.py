"""Pages: a token that says where the next one begins, of which request, and as of when."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from spendstream.local.simulator.expression import AwsError, Json

T = TypeVar("T")


def fingerprint(request: Json) -> str:
    """Return what must stay the same in a request from page to page."""
    rest = {k: v for k, v in request.items() if k not in {"NextPageToken", "NextToken"}}
    return hashlib.blake2b(json.dumps(rest, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()


def page(rows: Sequence[T], request: Json, offset: int, size: int, now: datetime) -> tuple[Sequence[T], str | None]:
    """Return the rows of the page that begins at `offset`, and the token of the next, if there is one."""
    end = offset + size
    if end >= len(rows):
        return rows[offset:], None
    token = f"{fingerprint(request)}|{end}|{now.isoformat()}"
    return rows[offset:end], base64.urlsafe_b64encode(token.encode()).decode()


def opened(request: Json, now: datetime, *, token: object, code: str) -> tuple[int, datetime]:
    """Return where the page asked for begins, and as of when all pages tell; without a token: 0 and `now`.

    Raises
    ------
    AwsError
        With `code`, when the token is not one of this request.
    """
    if not token:
        return 0, now
    try:
        mark, offset, when = base64.urlsafe_b64decode(str(token)).decode().split("|")
        if mark == fingerprint(request):
            return int(offset), datetime.fromisoformat(when)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise AwsError(code, "The pagination token is invalid for this request")
