"""The simulated organisation's bill, handed to steps."""

from processors.batch import BatchDriver
from schemas.events import Event
from spendstream.local.simulated_bills import Bills, noon
from spendstream.topics import STATEMENTS

__all__ = ["Bills", "feed_bill", "noon"]


def feed_bill(driver: BatchDriver, events: list[tuple[int, Event]]) -> None:
    """Hand a reading to a driver."""
    for partition, event in events:
        driver.feed(STATEMENTS, partition, event)
