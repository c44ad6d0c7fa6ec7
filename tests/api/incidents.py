"""Incidents with all that happened to them, as events; and an API that knows them and notes what it would send."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import requests

from api.app import make_app
from api.publishing import Publisher
from producers.sender import Sender
from schemas.events import (
    Alert,
    AlertRule,
    AnomalyFeedback,
    DeliveryState,
    Event,
    Incident,
    IncidentChild,
    IncidentTransition,
)
from sinks.migrate import migrate
from spendstream.clock import ManualClock
from spendstream.settings import ClickHouse, Settings, load
from spendstream.topics import Topic
from tests.api.serving import land, served
from tests.processors.histories import NOW
from tests.schemas.examples import EXAMPLES

#: Of a company that wants to break the page it stands on.
HOSTILE = "<script>alert('x')</script>\"'&\u202e"
EC2 = "USD/provider=AWS/account=111/service=EC2"


def _example(kind: type[Any]) -> Any:
    return next(event for event in EXAMPLES if isinstance(event, kind))


RISE: Alert = replace(
    _example(Alert), id="rises|EC2|a1", subject=EC2, anomaly="a1", says="EC2 cost 90 USD", observed_at=NOW
)
FIRING: Incident = replace(
    _example(Incident),
    id="i1",
    version=2,
    state="firing",
    severity="critical",
    scope=EC2,
    level="account_service",
    says="EC2 of account 111 cost 90 USD on 2026-03-09, 30 USD were expected",
    actual=Decimal(90),
    expected=Decimal(30),
    impact_per_day=Decimal(60),
    impact_so_far=Decimal("180.5"),
    impact_lower=Decimal("150.5"),
    impact_upper=Decimal("210.5"),
    impact_to_month_end=Decimal(1260),
    since=NOW - timedelta(days=3),
    opened_at=NOW - timedelta(days=1),
    changed_at=NOW,
    snoozed_until=None,
    children=[
        IncidentChild(series=f"{EC2}/region=us-east-1", share=0.75),
        IncidentChild(series=f"{EC2}/usage_type=BoxUsage", share=0.6),
    ],
    alerts=[replace(_example(Incident).alerts[0], id=RISE.id, series=EC2)],
)
BUDGET: Incident = replace(
    FIRING, id="i2", version=1, scope="month", level="budget", kind="budget", severity="warning",
    children=[], alerts=[], currency=None,
    actual=None, expected=None, impact_per_day=None, impact_so_far=None, impact_lower=None,
    impact_upper=None, impact_to_month_end=None,
    says="no reading for 30 hours", changed_at=NOW - timedelta(hours=1), owner=None, runbook=None,
)  # fmt: skip
OVER: Incident = replace(
    FIRING, id="i3", state="resolved", severity="info", firing_count=0, changed_at=NOW - timedelta(hours=2)
)
NASTY: Incident = replace(
    FIRING, id="i4", scope="USD/tag=team/value=%3Cscript%3Ealert(1)%3C%2Fscript%3E", level="tag", says=HOSTILE,
    owner=HOSTILE, labels={HOSTILE: HOSTILE}, runbook="javascript:alert(1)", changed_at=NOW - timedelta(hours=3),
)  # fmt: skip
BEGAN = IncidentTransition(
    run="live", incident="i1", version=1, before=None, after="firing", at=NOW, by="spendstream", why="rises"
)
TOLD: DeliveryState = replace(
    _example(DeliveryState),
    incident="i1",
    run="live",
    receiver="us",
    channel="slack",
    outcome="accepted",
    at=NOW,
    state="firing",
)
WORD: AnomalyFeedback = replace(_example(AnomalyFeedback), incident="i1")
RULE = AlertRule(id="fees", applied_at=NOW, by="ann", definition='{"id":"fees","kind":"fee"}')
GONE = replace(RULE, id="gone", definition=None)
EVENTS: list[Event] = [
    *(replace(FIRING, version=1, state="acknowledged"), FIRING, BUDGET, OVER, NASTY),
    *(RISE, BEGAN, TOLD, WORD, RULE, GONE),
]

ANN, READER, KEY = "a" * 32, "r" * 32, "k" * 32
#: When the API is asked.
TODAY = NOW + timedelta(days=1)


class Noted(Publisher):
    """Notes what would be sent, and to which partition."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, Event]] = []

    async def send(self, send: Callable[[Sender], None]) -> None:
        send(_Notebook(self.sent))  # type: ignore[arg-type]


@dataclass
class _Notebook:
    """Stands where a `Sender` would."""

    sent: list[tuple[str, int, Event]]

    def send(self, topic: Topic, partition: int, _: str, event: Event) -> None:
        self.sent.append((topic.name, partition, event))


@dataclass
class Served:
    """An API with incidents, behind real HTTP; `sent` is what it sent."""

    address: str
    settings: Settings
    noted: Noted

    @property
    def sent(self) -> list[Event]:
        return [event for _, _, event in self.noted.sent]

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """Ask without cookies of before, and follow no redirect."""
        options = {"timeout": 30, "allow_redirects": False, **more}
        return requests.request(method, f"{self.address}{path}", **options)


@contextmanager
def incidents_served(clickhouse: ClickHouse) -> Iterator[Served]:
    """Serve the incidents of this module, from a database whose tables are made."""
    settings = load(
        clickhouse=clickhouse,
        api={"cache_seconds": 0, "token": READER, "writers": {"ann": ANN}},
        alerts={"public_url": "https://costs.example.com", "link_key": KEY},
    )
    migrate(settings.clickhouse)
    land(settings, EVENTS)
    noted = Noted()
    with served(make_app(settings, ManualClock(TODAY), noted)) as address:
        yield Served(address, settings, noted)
