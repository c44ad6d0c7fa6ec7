"""The benchmark against other stream processors: each must have added up the same lines, or it gives no figure."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import fastavro
import pytest

from bench import lines, peers
from bench.lines import PARTITIONS
from bench.statements import statements
from spendstream.local.kafka_install import MissingDependencyError
from spendstream.settings import load
from spendstream.topics import STATEMENTS
from tests.processors.workers import messages


def test_the_one_line_events_are_the_lines_of_the_statements(embedded_kafka):
    settings = embedded_kafka.settings()
    sums = lines.published(settings.kafka.bootstrap, settings.kafka.topics.name(STATEMENTS), 250)
    schema = fastavro.parse_schema(json.loads(lines.SCHEMA.read_text()))
    events: list[Any] = [
        fastavro.schemaless_reader(io.BytesIO(one), schema, None) for one in messages(settings, STATEMENTS)
    ]
    first, second, third = (list(one.effective) for one in statements(3, 100))
    assert load().kafka.shards == PARTITIONS
    assert sorted(int.from_bytes(one["effective"], "big", signed=True) for one in events) == sorted(
        first + second + third[:50]
    )
    assert sum(sums.values()) == sum(first) + sum(second) + sum(third[:50])


@pytest.mark.slow
@pytest.mark.kafka
def test_naive_faust_adds_up_what_was_sent(apache_kafka):
    assert peers.faust_speed(apache_kafka.bootstrap, 200) > 0


@pytest.mark.slow
@pytest.mark.kafka
def test_a_wrong_sum_gives_no_figure(apache_kafka, monkeypatch):
    monkeypatch.setattr(peers, "_answer", lambda _: {"seconds": 1, "effective": {"us-east-1": 1}})
    with pytest.raises(AssertionError, match=r"added up .*us-east-1"):
        peers.faust_speed(apache_kafka.bootstrap, 20)


def test_a_program_that_fails_says_why(monkeypatch):
    monkeypatch.setattr(peers, "published", lambda *_: {})
    monkeypatch.setattr(peers, "_make", lambda *_: None)
    with pytest.raises(OSError, match="No module named 'quixstreams'"):
        peers.quix_speed("127.0.0.1:1", Path(sys.executable), 1)


def test_without_quix_it_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "_ROOT", tmp_path)
    with pytest.raises(MissingDependencyError, match="make bench"):
        peers.quix_python()
