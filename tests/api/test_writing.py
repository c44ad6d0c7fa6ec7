"""Writing through the API: who may, what is refused, and what is sent; then the same on Kafka."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from alerts.applied import applied
from alerts.rule_step import home_of
from schemas.codec import Codec
from schemas.events import AlertRequest, AnomalyFeedback
from schemas.repository import RepositorySchemas
from spendstream.local.kafka_apache import free_port
from spendstream.read_back import read_back
from spendstream.settings import ConfigurationError, load
from spendstream.topics import ALERTS, FEEDBACK
from tests.api.incidents import ANN, EC2, EVENTS, READER, TODAY, Served
from tests.api.serving import Serve, land
from tests.kafka_backends import Backend

CODEC = Codec(RepositorySchemas())
API = {"cache_seconds": 0, "token": READER, "writers": {"ann": ANN}}
FEES = {"rules": [{"id": "fees", "kind": "fee"}]}


@pytest.fixture
async def on_kafka(serve: Serve, embedded_kafka: Backend) -> AsyncIterator[Any]:
    async with serve([], api=API, kafka=embedded_kafka.settings().kafka.model_dump()) as client:
        land(client.settings, EVENTS)
        yield client


def send(api: Served, path: str, body: Any, token: str | None = ANN, method: str = "POST") -> tuple[int, Any]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}".encode()}
    answer = api.ask(method, path, json=body, headers=headers)
    return answer.status_code, answer.json()


async def sent(client: Any, path: str, body: Any, method: str = "POST") -> tuple[int, Any]:
    answer = await client.request(method, path, json=body, headers={"Authorization": f"Bearer {ANN}"})
    return answer.status, await answer.json(content_type=None)


def test_what_is_asked_of_an_incident_arrives_with_who_when_and_why(api):
    until = TODAY + timedelta(hours=2)
    status, told = send(
        api, "/v1/incidents/i1/snooze", {"why": "known", "by": "bob", "until": until.isoformat(), "id": "q1"}
    )
    assert (status, told["incident"], told["asked"], told["state"]) == (202, "i1", "snooze", "firing")
    [wish] = api.sent
    assert isinstance(wish, AlertRequest)
    assert (wish.incident, wish.action, wish.by, wish.why) == ("i1", "snooze", "bob (ann)", "known")
    assert (wish.at, wish.until, wish.id) == (TODAY, until, told["id"])


def test_it_goes_to_the_partition_of_the_incident(api):
    send(api, "/v1/incidents/i1/acknowledge", {"why": "mine"})
    send(api, "/v1/incidents/i2/acknowledge", {"why": "mine"})
    shards = api.settings.kafka.shards
    assert [(topic, home) for topic, home, _ in api.noted.sent] == [
        ("alerts", home_of("USD", shards)),
        ("alerts", home_of(None, shards)),
    ]


def test_the_same_request_twice_has_the_same_id(api):
    first = send(api, "/v1/incidents/i1/resolve", {"why": "over", "id": "q1"})
    again = send(api, "/v1/incidents/i1/resolve", {"why": "over", "id": "q1"})
    other = send(api, "/v1/incidents/i1/acknowledge", {"why": "over", "id": "q1"})
    assert first[1]["id"] == again[1]["id"] != other[1]["id"]


def test_what_anomalies_were_goes_to_every_partition(api):
    body = {"verdict": "expected", "why": "a launch", "last_day": "2026-04-01"}
    status, _ = send(api, "/v1/incidents/i1/feedback", body)
    words = api.sent
    assert (status, len(words)) == (202, api.settings.kafka.shards)
    word = words[0]
    assert isinstance(word, AnomalyFeedback)
    assert [(one.anomaly, one.series, one.kind) for one in word.judged] == [("a1", EC2, 0)]
    assert (word.verdict, word.incident, word.by, f"{word.last_day}") == ("expected", "i1", "ann", "2026-04-01")


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/v1/incidents/nothing/resolve", {"why": "x"}, 404, "not known in this run"),
        ("/v1/incidents/i3/acknowledge", {"why": "x"}, 409, "cannot become acknowledged"),
        ("/v1/incidents/i3/reopen", {"why": "x"}, 409, "nothing to open again"),
        ("/v1/incidents/i1/snooze", {"why": "x"}, 409, "a snooze needs an end"),
        ("/v1/incidents/i1/resolve", {"why": "x", "until": "2026-05-01T00:00:00Z"}, 400, "only a snooze has an end"),
        ("/v1/incidents/i1/snooze", {"why": "x", "until": "2026-05-01T00:00:00"}, 400, "until needs a zone"),
        ("/v1/incidents/i1/acknowledg", {"why": "x"}, 400, "did you mean acknowledge?"),
        ("/v1/incidents/i1/resolve", {}, 400, "why: Field required"),
        ("/v1/incidents/i1/resolve", {"why": "x", "wy": 1}, 400, "wy: Extra inputs"),
        ("/v1/incidents/i1/resolve", [], 400, "body: Input should be an object"),
        ("/v1/incidents/i2/feedback", {"why": "x", "verdict": "true"}, 409, "only what detection found"),
        ("/v1/incidents/i1/feedback", {"why": "x", "verdict": "true", "last_day": "2026-05-01"}, 400, "leave them out"),
        ("/v1/incidents/i1/feedback", {"why": "x", "verdict": "no"}, 400, "verdict: Input should be"),
    ],
)
def test_what_cannot_be_done_says_why_and_sends_nothing(api, path, body, status, says):
    found, problem = send(api, path, body)
    assert (found, says in problem["detail"]) == (status, True), problem
    assert api.sent == []


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("x" * 32, 401), (READER, 403), ("", 401), ("é", 401)])
def test_only_a_token_that_may_write_writes(api, token, status):
    assert (send(api, "/v1/incidents/i1/resolve", {"why": "x"}, token))[0] == status
    assert (send(api, "/v1/rules", FEES, token, "PUT"))[0] == status
    assert (send(api, "/v1/rules/f", None, token, "DELETE"))[0] == status
    assert api.sent == []


def test_a_token_that_may_write_may_read(api):
    assert api.ask("GET", "/v1/incidents", headers={"Authorization": f"Bearer {ANN}"}).status_code == 200


async def test_answers_and_rules_are_in_kafka_when_they_are_answered(on_kafka):
    settings = on_kafka.settings
    assert (await sent(on_kafka, "/v1/incidents/i1/resolve", {"why": "over"}))[0] == 202
    assert (await sent(on_kafka, "/v1/incidents/i1/feedback", {"why": "no", "verdict": "false"}))[0] == 202
    assert [type(CODEC.decode(raw)) for raw in read_back(settings, ALERTS)] == [AlertRequest]
    assert len(list(read_back(settings, FEEDBACK))) == settings.kafka.shards
    checked = await sent(on_kafka, "/v1/rules?check_only=true", FEES, "PUT")
    assert checked == (200, {"applied": False, "added": ["fees"], "changed": [], "removed": []})
    assert applied(settings) == {}
    assert (await sent(on_kafka, "/v1/rules", FEES, "PUT"))[1]["added"] == ["fees"]
    assert applied(settings)["fees"].by == "ann"
    assert (await sent(on_kafka, "/v1/rules", FEES, "PUT"))[1]["added"] == []
    assert (await sent(on_kafka, "/v1/rules/fees", None, "DELETE"))[1]["removed"] == ["fees"]
    assert (await sent(on_kafka, "/v1/rules/fees", None, "DELETE"))[0] == 404
    assert applied(settings) == {}


def test_faults_of_rules_are_told_by_rule_and_nothing_is_applied(api):
    rules = [
        {"id": "a", "kind": "fee", "amont": 5},
        {"id": "b", "kind": "feee"},
        {"id": "c", "kind": "fee"},
        {"id": "c", "kind": "fee"},
    ]
    status, problem = send(api, "/v1/rules", {"rules": rules}, method="PUT")
    assert status == 400
    assert all(part in problem["detail"] for part in ("rule a: amont", "rule b:", "rule c: its id stands twice"))


async def test_without_writers_the_api_only_reads(serve):
    async with serve([]) as client:
        status, problem = await sent(client, "/v1/incidents/i1/resolve", {"why": "x"})
    assert (status, problem["title"]) == (403, "this API only reads")


async def test_a_kafka_that_is_away_is_told(serve, monkeypatch):
    monkeypatch.setattr("api.publishing._MILLISECONDS", 300)
    kafka = {"bootstrap": f"127.0.0.1:{free_port()}", "client": {"log_level": "0"}}
    async with serve([], api=API, kafka=kafka) as client:
        land(client.settings, EVENTS)
        status, problem = await sent(client, "/v1/incidents/i1/resolve", {"why": "x"})
    assert (status, problem["title"]) == (503, "Kafka did not take it")


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"writers": {"ann": "short"}}, "32 characters at least"),
        ({"writers": {"ann": ANN, "bob": ANN}}, "two tokens are the same"),
        ({"token": ANN, "writers": {"ann": ANN}}, "two tokens are the same"),
        ({"writers": {"a b": ANN}}, "api.writers"),
    ],
)
def test_tokens_that_cannot_be_used_are_told_and_not_shown(section, says):
    with pytest.raises(ConfigurationError, match=says) as raised:
        load(api=section)
    assert ANN not in str(raised.value)
