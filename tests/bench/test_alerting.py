"""The benchmark of alerting in small: it hears of every reading's account, and of nothing else."""

import json

import pytest

from bench.alerting import receiver


def test_a_message_counts_when_it_came_first():
    with receiver() as got:
        body = json.dumps({"incidents": [{"scope": "USD/provider=AWS/account=000000001000"}]}).encode()
        got.take(body)
        first = got.when("000000001000")
        got.take(body)
        assert got.when("000000001000") == first


def test_a_message_that_does_not_come_gives_no_figure(monkeypatch):
    monkeypatch.setattr("bench.alerting._PATIENCE_SECONDS", 0.01)
    with receiver() as got, pytest.raises(TimeoutError, match="nobody was told"):
        got.when("000000001000")
