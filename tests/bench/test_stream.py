"""The stream's benchmark in small: it reads everything that was published, and gives no figure for half a reading."""

import pytest

from bench.statements import closes, encoded, publish, statements
from bench.stream import batch_driver, plain_loop
from schemas.codec import Codec
from schemas.repository import RepositorySchemas


@pytest.fixture
def bill(embedded_kafka):
    """A reading of 20 statements of 10 lines in Kafka, without its close; and the close."""
    settings, codec = embedded_kafka.settings(), Codec(RepositorySchemas())
    publish(settings, encoded(codec, statements(20, 10), settings.kafka.shards))
    return settings, encoded(codec, closes("r1", settings.kafka.shards), settings.kafka.shards)


def test_loop_and_batch_driver_take_the_same_messages(bill):
    settings, close = bill
    publish(settings, close)
    assert plain_loop(settings, 20 + len(close)) > 0
    assert batch_driver(settings, 20 + len(close)) > 0


def test_a_reading_that_is_not_announced_gives_no_figure(bill):
    settings, _ = bill
    with pytest.raises(AssertionError, match="was announced"):
        batch_driver(settings, 20)


def test_every_line_of_the_bill_costs_something_and_no_two_bills_differ():
    first, again = list(statements(3, 50)), list(statements(3, 50))
    assert first == again
    assert all(len(one.effective) == 50 and min(one.effective) > 0 for one in first)
