"""What the stream announces of a simulated organisation: history to try rules on, with known incidents in it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from processors.batch import BatchDriver
from processors.pipeline import steps
from processors.step import Output
from schemas.events import CostAggregate, CostAnomaly, CostForecast
from spendstream.local.simulated_bills import Bills, noon
from spendstream.local.simulator import Incident, Organisation
from spendstream.local.simulator.making import make_incidents
from spendstream.settings import Settings
from spendstream.topics import STATEMENTS

#: Days before the history, from which detection learns what is usual.
LEARNT_DAYS = 120


@dataclass(frozen=True, slots=True)
class SimulatedHistory:
    """What the stream told, with partitions, in the order in which it came, and what was done to the organisation."""

    events: list[tuple[int, CostAggregate | CostAnomaly | CostForecast]]
    incidents: tuple[Incident, ...]
    model: Organisation


def simulated_history(
    settings: Settings,
    until: date,
    days: int,
    *,
    seed: int = 3,
    accounts: int = 2,
    services: int = 6,
    regions: int = 2,
    incidents: int = 8,
    each_day: Callable[[], None] = lambda: None,
) -> SimulatedHistory:
    """Run the steps over `days` daily readings of a simulated bill, the last at noon of `until`.

    Takes about 0.1 s a reading. The same arguments give the same history. `each_day` is called after each reading.
    """
    first = until - timedelta(days=days)
    plain = Organisation(seed, accounts, services, regions)
    made = make_incidents(plain, seed, incidents, first, until - timedelta(days=5)) if incidents else ()
    model = Organisation(seed, accounts, services, regions, incidents=made)
    bills = Bills(model, first - timedelta(days=LEARNT_DAYS), settings.kafka.shards)
    events: list[tuple[int, CostAggregate | CostAnomaly | CostForecast]] = []

    def heard(output: Output) -> None:
        if isinstance(output.event, CostAggregate | CostAnomaly | CostForecast):
            events.append((output.partition, output.event))

    driver = BatchDriver(steps(settings), heard)
    for number in range(days + 1):
        for partition, event in bills.read(noon(first + timedelta(days=number))):
            driver.feed(STATEMENTS, partition, event)
        each_day()
    return SimulatedHistory(events, made, model)
