"""The pages about incidents: what a signed link opens, the list of all, and signing in with a token.

Opening a page changes nothing, so a mail scanner may open any link. Only the form behind it does, by POST: it needs the
link's signature (or a session) and has to come from a page of this address.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from multidict import MultiMapping

from alerts.links import LinkError, read
from alerts.wording import printable
from api.access import COOKIE, LENGTH, Access, Caller
from api.database import Database
from api.incident_charts import bars, days_of
from api.incident_forms import Answered, answer_of
from api.incident_view import Shown, shown, told
from api.incident_writing import Desk, NothingToJudge, Person
from api.incidents import known, newest
from api.parameters import storable
from api.problems import Problem
from api.publishing import Publisher
from spendstream.clock import Clock
from spendstream.settings import Settings

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    # Nobody else learns the link. Not `no-referrer`: a form would then be sent with the origin `null`, and could not be
    # told from another site's.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_SHOWN = 200


def _clean(value: object) -> object:
    """Return a text without control and direction marks, whatever it comes from."""
    return printable(value) if type(value) is str else value


_ENVIRONMENT = Environment(
    loader=PackageLoader("api", "pages"),
    finalize=_clean,
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals.update(told=told)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page.

    Attributes
    ----------
    by
        In whose name something is done; None: this visitor may only look.
    link
        The signature of the link that was opened.
    signed_in
        Whether there is a session.
    """

    by: str | None
    link: str | None = None
    signed_in: bool = False


class IncidentPages:
    """Serves the pages.

    Parameters
    ----------
    settings, clock
        The deployment, and the time.
    access, database, publisher
        Who may do what, what is known, and the way to Kafka.
    live_run
        Returns the run that is live.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        access: Access,
        database: Database,
        publisher: Publisher,
        live_run: Callable[[], Awaitable[str]],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._access = access
        self._database = database
        self._publisher = publisher
        self._live_run = live_run
        self._style = (files("api") / "pages" / "incidents.css").read_text(encoding="utf-8")

    def routes(self) -> list[web.AbstractRouteDef]:
        """Return the paths and what answers them."""
        return [
            web.get("/incidents", self._paged(self._list)),
            web.get("/incidents/{id}", self._paged(self._incident)),
            web.post("/incidents/{id}", self._paged(self._answer)),
            web.post("/session", self._paged(self._session)),
            web.get("/assets/incidents.css", self._css),
        ]

    def holds(self, path: str) -> bool:
        """Tell whether a path is one of these pages, which look at who asks themselves."""
        return path in {"/incidents", "/session", "/assets/incidents.css"} or path.startswith("/incidents/")

    def _paged(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except Problem as problem:
                return self._page(
                    "problem.html", problem.status, title=problem.title.capitalize(), detail=problem.detail,
                    root=_root(request), sign_in=False, back=_back(request),
                )  # fmt: skip
            except LinkError as error:
                return self._page(
                    "problem.html", 403, title="This link is of no use", detail=str(error),
                    root=_root(request), sign_in=self._access.signs_in, back=_back(request),
                )  # fmt: skip

        return handle

    async def _list(self, request: web.Request) -> web.StreamResponse:
        visitor = self._visitor(request, None)
        if visitor is None:
            return self._sign_in(request)
        everything = request.query.get("all") == "1"
        rows = await newest(self._database, await self._live_run(), _SHOWN, resolved=everything)
        return self._page(
            "incidents.html", root=_root(request), rows=[shown(row, self._clock.now()) for row in rows],
            everything=everything, most=_SHOWN, visitor=visitor,
        )  # fmt: skip

    async def _incident(self, request: web.Request) -> web.StreamResponse:
        name = _name(request)
        visitor = self._visitor(request, name, request.query.get("t"))
        if visitor is None:
            return self._sign_in(request)
        run = await self._live_run()
        found = await known(self._database, run, name)
        view: Shown = shown(found, self._clock.now())
        days = await days_of(self._database, run, found, self._clock.now().date())
        chart = bars(days, view, found["course"])
        return self._page(
            "incident.html", root=_root(request), one=found, view=view, chart=chart, visitor=visitor,
            request=uuid4().hex, asked=_asked(request.query), can_judge=any(one["anomaly"] for one in found["alerts"]),
            today=self._clock.now().date(),
        )  # fmt: skip

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Do what a form asks, and lead back to the page, so that loading it anew sends nothing."""
        self._own_form(request)
        name, form = _name(request), _texts(await request.post())
        visitor = self._visitor(request, name, form.get("t"))
        if visitor is None or visitor.by is None:
            raise Problem(
                403, "you can only look", "open the link of a message about this incident, or sign in as a writer"
            )
        answered: Answered = answer_of(form, self._clock.now())
        person = Person(answered.named(visitor.by), answered.why, self._clock.now(), answered.request)
        settings = self._settings.of_run(await self._live_run())
        desk = Desk(settings, self._database, self._publisher)
        if answered.action is not None:
            await desk.act(name, answered.action, person, answered.until)
        if answered.verdict is not None:
            try:
                await desk.judge(name, answered.verdict, person, last_day=answered.last_day)
            except NothingToJudge:
                # What a budget or a limit told of can be expected too; there is no score that could heed it.
                if answered.action is None:
                    raise
        query = {"asked": answered.name} | ({} if visitor.link is None else {"t": visitor.link})
        return self._to(f"{quote(name, safe='')}?{urlencode(query)}")

    async def _session(self, request: web.Request) -> web.StreamResponse:
        """Begin a session with a token, or end it; then lead back to the page of before."""
        self._own_form(request)
        form = _texts(await request.post())
        response = self._to(f"incidents{_place(form.get('to', ''))}")
        if form.get("end"):
            response.del_cookie(COOKIE)
            return response
        caller = self._access.of_token(form.get("token", ""))
        if caller is None:
            return self._sign_in(request, form.get("to", ""), wrong=True)
        secure = request.secure or (self._settings.alerts.public_url or "").startswith("https:")
        response.set_cookie(
            COOKIE, self._access.session(caller, self._clock.now()), max_age=int(LENGTH / timedelta(seconds=1)),
            httponly=True, samesite="Lax", secure=secure,
        )  # fmt: skip
        return response

    async def _css(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text=self._style, content_type="text/css", headers={"Cache-Control": "max-age=300"})

    def _visitor(self, request: web.Request, incident: str | None, link: str | None = None) -> Visitor | None:
        """Return who looks at a page; None: somebody who has to sign in.

        Raises
        ------
        LinkError
            When a link was opened that is of no use.
        """
        now = self._clock.now()
        session: Caller | None = self._access.of_session(request, now)
        if link is not None and incident is not None:
            sent = read(self._settings.alerts, link, incident, now)
            return Visitor(f"link of {sent.receiver}", link)
        if session is None:
            return None
        return Visitor(session.name, signed_in=COOKIE in request.cookies)

    def _own_form(self, request: web.Request) -> None:
        """Refuse a form that another site sent.

        Raises
        ------
        Problem
            403, when it did, or the browser does not say.
        """
        own = {f"{request.scheme}://{request.host}"}
        if self._settings.alerts.public_url is not None:
            own.add(_origin(self._settings.alerts.public_url))
        sent = request.headers.get("Origin") or _origin(request.headers.get("Referer", ""))
        if sent not in own:
            raise Problem(
                403, "this form came from another address",
                "open the page again and answer there; whoever runs this: is alerts.public_url the address people use?",
            )  # fmt: skip

    def _sign_in(self, request: web.Request, to: str | None = None, *, wrong: bool = False) -> web.Response:
        place = to if to is not None else _back(request)
        return self._page("sign_in.html", 401, root=_root(request), to=place, wrong=wrong)

    def _page(self, template: str, status: int = 200, **values: object) -> web.Response:
        text = _ENVIRONMENT.get_template(template).render(**values)
        return web.Response(text=text, status=status, content_type="text/html", headers=_HEADERS)

    def _to(self, place: str) -> web.Response:
        # Relative: a proxy may serve these pages below another path.
        return web.Response(status=303, headers={**_HEADERS, "Location": place})


def _name(request: web.Request) -> str:
    try:
        return storable(request.match_info["id"])
    except ValueError:
        raise Problem(404, "no such incident", "open the link from the message again") from None


def _root(request: web.Request) -> str:
    """Return the way from a page to the top, relative."""
    return "../" if request.path.startswith("/incidents/") else ""


def _back(request: web.Request) -> str:
    """Return which incident a page is about, as its path below the list."""
    return quote(f"/{request.match_info['id']}", safe="/") if request.path.startswith("/incidents/") else ""


def _place(text: str) -> str:
    """Return a place below the list, when it is one; the list else: nobody is led anywhere else."""
    return text if text.startswith("/") and "/" not in text[1:] and "\\" not in text and text.isprintable() else ""


def _origin(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def _texts(form: MultiMapping[Any]) -> dict[str, str]:
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _asked(query: MultiMapping[str]) -> str | None:
    """Return what was asked for just now, in words; what is not one of ours is not shown."""
    return _DONE.get(query.get("asked", ""))


_DONE = {
    "acknowledge": "acknowledge it",
    "snooze": "let it rest",
    "expect": "mark it as expected",
    "suppress": "suppress it",
    "resolve": "resolve it",
    "reopen": "open it again",
    "true": "note that it was real",
    "false": "note that it was a false alert",
}
