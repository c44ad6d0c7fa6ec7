"""Errors as RFC 9457 problem details: what is wrong, and what to change."""

import json
from difflib import get_close_matches

from aiohttp import web


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


def unknown(what: str, name: str, known: list[str]) -> Problem:
    """Return the problem of a name that does not exist, with the likeliest that do."""
    close = get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(known)}"
    return Problem(400, f"unknown {what}", f"{name!r} is no {what}; {hint}")
