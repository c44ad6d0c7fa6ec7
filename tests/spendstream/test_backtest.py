"""`spendstream backtest` on an embedded Kafka: other settings over recorded totals, beside what was told live."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from schemas.codec import Codec
from schemas.events import AnomalyFeedback, CostAggregate, CostAnomaly, Event, JudgedSeries
from schemas.repository import RepositorySchemas
from spendstream.backtest import compare
from spendstream.backtest_alerts import Told, folded
from spendstream.backtest_truth import Verdicts
from spendstream.cli import app
from spendstream.settings import Settings
from spendstream.topics import AGGREGATES, ANOMALIES, FEEDBACK, Topic
from tests.kafka_backends import Backend
from tests.processors.announcements import EC2, OPTIONS, RDS, USAGE, Costs, Watched, announcement, day_of, ordinary
from tests.schemas.examples import EXAMPLES, T

CODEC = Codec(RepositorySchemas())
DAYS = 80
LOOSE = OPTIONS.false_alerts_a_week * 4
"""Of the whole organisation, for it is shared by four partitions."""
TRUTH = {
    "incidents": [
        {
            "parts": [{"account": "111", "service": "EC2"}],
            "days": [{"day": f"{day_of(DAYS + number)}"} for number in range(3)],
        },
        {"parts": [{"account": "111", "service": "S3"}], "days": [{"day": f"{day_of(DAYS + 1)}"}]},
    ]
}


def bill(day: int) -> Costs:
    """Return a day; EC2 costs much more on three of them, and RDS on the second."""
    costs = ordinary(day)
    costs[EC2, USAGE] *= 12.0 if DAYS <= day < DAYS + 3 else 1.0
    costs[RDS, USAGE] *= 12.0 if day == DAYS + 1 else 1.0
    return costs


@cache
def history() -> Sequence[CostAggregate]:
    days = [announcement(1, {day: bill(day) for day in range(DAYS)}, DAYS)]
    return [*days, *(announcement(day, {day: bill(day)}, day + 1) for day in range(DAYS, DAYS + 8))]


@cache
def told_live() -> Sequence[CostAnomaly]:
    """Return what was told live: of EC2, and not of RDS."""
    watched = Watched(OPTIONS)
    for event in history():
        watched.feed(event)
    return [one for one in watched.told if one.series == EC2]


def put(settings: Settings, topic: Topic, events: Sequence[Event]) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap})
    for event in events:
        producer.produce(settings.kafka.topics.name(topic), CODEC.encode(event), b"k", 0)
    assert producer.flush(10) == 0


@pytest.fixture
def deployment(embedded_kafka: Backend, monkeypatch, tmp_path) -> Settings:
    """Settings that commands find in their environment, a month of announcements, and what was told of them live."""
    settings = embedded_kafka.settings()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPENDSTREAM_KAFKA__BOOTSTRAP", settings.kafka.bootstrap)
    monkeypatch.setenv("SPENDSTREAM_KAFKA__PREFIX", settings.kafka.prefix)
    put(settings, AGGREGATES, history())
    put(settings, ANOMALIES, told_live())
    Path("truth.json").write_text(json.dumps(TRUTH))
    return settings


def said(*command: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["backtest", "--to", "2026-12-31", *command])
    assert done.exit_code == status, done.output
    return done.stdout if status == 0 else done.output


@pytest.mark.usefixtures("deployment")
def test_settings_gain_and_lose_alerts():
    told = said("--false-alerts-a-week", "0.000001", "--false-alerts-a-week", f"{LOOSE}", "--truth", "truth.json",
                "--json")  # fmt: skip

    strict, loose = json.loads(told)["tried"]

    assert (strict["alerts"], len(strict["lost"]), strict["precision"], strict["recall"]) == ([], 1, None, 0.0)
    assert [(one["series"], one["first"]) for one in loose["gained"]] == [(RDS, f"{day_of(DAYS + 1)}")]
    assert ([*loose["lost"], *loose["earlier"], *loose["later"]], loose["precision"], loose["recall"]) == ([], 0.5, 0.5)


@pytest.mark.usefixtures("deployment")
def test_a_range_a_file_of_settings_and_pictures():
    Path("loose.toml").write_text("[detection]\nfalse_alerts_a_week = 0.08\n")

    told = said("--config", "loose.toml", "--from", f"{day_of(DAYS + 2)}", "--plots", "pictures")

    [line] = [line for line in told.splitlines() if line.startswith("loose:")]
    assert line.startswith(f"loose: gained: {day_of(DAYS + 2)} 12:00 spike of {RDS} since {day_of(DAYS + 1)}, +")
    assert "<circle" in Path("pictures/loose.svg").read_text()


@pytest.mark.usefixtures("deployment")
def test_what_people_said_gives_precision_and_recall(deployment):
    [anomaly] = {one.id for one in told_live()}
    [example] = [one for one in EXAMPLES if isinstance(one, AnomalyFeedback)]
    judged = [JudgedSeries(anomaly=anomaly, series=EC2, kind=USAGE)]
    put(deployment, FEEDBACK, [replace(example, verdict="true", judged=judged, first_day=None, last_day=None)])

    [found] = json.loads(said("--false-alerts-a-week", f"{LOOSE}", "--json"))["tried"]

    assert (found["precision"], found["recall"]) == (1.0, 1.0)


@pytest.mark.usefixtures("deployment")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense = 1", "settings of detection cannot be used: nonsense"),
        ("settle_hours = 3", "settle_hours"),
        ("][", "cannot be read"),
    ],
)
def test_settings_that_cannot_be_used_are_explained(text, message):
    Path("odd.toml").write_text(text)

    assert message in said("--config", "odd.toml", status=2)


@pytest.mark.usefixtures("deployment")
def test_a_truth_that_is_none_is_explained():
    Path("odd.json").write_text("{}")

    assert "the truth odd.json cannot be used" in said("--truth", "odd.json", status=2)


def test_without_announcements_there_is_nothing_to_try(embedded_kafka: Backend, monkeypatch):
    settings = embedded_kafka.settings()
    monkeypatch.setenv("SPENDSTREAM_KAFKA__BOOTSTRAP", settings.kafka.bootstrap)
    monkeypatch.setenv("SPENDSTREAM_KAFKA__PREFIX", settings.kafka.prefix)

    assert "Kafka holds no announcements" in said(status=2)


def alert(name: str, first: int, at: int, series: str = "USD") -> Told:
    at_time = T + timedelta(days=at)
    return Told(name, series, 0, "spike", at_time, day_of(first), day_of(first), 1.0, withdrawn=False)


def test_alerts_are_paired_by_series_and_days_and_told_earlier_or_later():
    live = [alert("a", 0, 5), alert("b", 40, 45), alert("c", 80, 85), alert("d", 0, 3, "EUR")]
    other = [alert("w", 2, 3), alert("x", 41, 48), alert("y", 80, 85), alert("z", 120, 121)]

    found = compare("tried", live, other, Verdicts())

    assert [one.id for one in found.gained] == ["z"]
    assert [one.id for one in found.lost] == ["d"]
    assert [(one.id, two.id) for one, two in found.earlier] == [("a", "w")]
    assert [(one.id, two.id) for one, two in found.later] == [("b", "x")]
    assert (found.precision, found.recall) == (None, None)


def test_what_was_told_of_one_anomaly_is_one_alert():
    [event] = [one for one in EXAMPLES if isinstance(one, CostAnomaly)]
    later = replace(event, state="withdrawn", day=event.day + timedelta(days=2), scored_at=T + timedelta(days=9))

    [one] = folded([event, later], date(2020, 1, 1), date(2030, 1, 1))

    assert (one.at, one.last, one.withdrawn) == (event.scored_at, later.day, True)
    assert folded([event], date(2020, 1, 1), date(2020, 1, 2)) == []
