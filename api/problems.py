"""Errors as RFC 9457 problem details: what is wrong, and what to change."""

import json
from collections.abc import Sequence
from difflib import get_close_matches

from aiohttp import web

#: So many names are listed when none is close; a longer list helps nobody.
_MOST_NAMES = 30


class Problem(Exception):  # noqa: N818 - the standard's own word
    """An answer that says why there is none.

    Parameters
    ----------
    status
        HTTP status.
    title
        What is wrong, in few words.
    detail
        What to change.
    """

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(f"{title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail

    def response(self) -> web.Response:
        """Return the answer."""
        body = {"type": "about:blank", "status": self.status, "title": self.title, "detail": self.detail}
        return web.Response(status=self.status, text=json.dumps(body), content_type="application/problem+json")


def bad_parameters(detail: str) -> Problem:
    """Return the problem of parameters that cannot be used."""
    return Problem(400, "bad parameters", detail)


def unknown(what: str, name: str, known: Sequence[str]) -> Problem:
    """Return the problem of a name that does not exist, with the likeliest that do."""
    shown = name if len(name) <= 100 else f"{name[:100]}…"  # noqa: PLR2004 - enough to recognise it
    # Comparing takes time that grows with the name: a name of thousands of letters is close to none.
    close = get_close_matches(shown, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(known[:_MOST_NAMES]) or 'none'}"
    return Problem(400, f"unknown {what}", f"{shown!r} is no {what}; {hint}")
