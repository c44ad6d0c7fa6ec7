"""The main job, end to end: the demo's figures against a sum of the source file by the standard library alone."""

import csv
import json
import subprocess
import sys
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from alerts.receivers import WebhookReceiver
from alerts.routes import read
from spendstream.local.demo_incident import ACCOUNT, SERVICE, organisation, routing, terminal

BILLS = Path(__file__).parents[1] / "spendstream" / "local" / "data" / "focus" / "focus_sample.csv"


def sum_of_the_organisation(at: datetime) -> dict[str, Decimal]:
    """The bill that the simulated AWS tells at a time, from its model alone, over the days that are read."""
    model = organisation(at)
    totals: dict[str, Decimal] = defaultdict(Decimal)
    first = at.date() - timedelta(days=13)
    if at.day <= 6:
        first = min(first, (at.date().replace(day=1) - timedelta(days=1)).replace(day=1))
    for number in range((at.date() - first).days + 1):
        costs = model.day(first + timedelta(days=number), at).cost.sum(axis=1)
        for series, cost in zip(model.series, costs, strict=True):
            if cost:
                totals[series.service] += Decimal(int(cost)).scaleb(-10)
    return totals


def sum_of_the_file() -> dict[str, dict[str, Decimal]]:
    totals: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    with BILLS.open(newline="") as file:
        for row in csv.DictReader(file):
            totals[row["ProviderName"]][row["ServiceName"]] += Decimal(row["BilledCost"])
    return totals


def test_the_demo_agrees_with_the_bills_to_the_last_digit_and_tells_of_the_incident():
    done = subprocess.run(
        [sys.executable, "-m", "spendstream.cli", "demo", "--once", "--json"],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    shown = {p: {s: Decimal(cost) for s, cost in services.items()} for p, services in document["totals"].items()}
    expected = sum_of_the_file()
    for service, cost in sum_of_the_organisation(datetime.fromisoformat(document["simulated_at"])).items():
        expected["AWS"][service] += cost
    assert shown == expected
    assert document["lines"] > 1000
    assert document["readings"] == 4
    assert document["dead_letters"] == 0
    [message] = document["messages"]
    [incident] = message["incidents"]
    assert incident["scope"] == f"USD/provider=AWS/account={ACCOUNT}/service={SERVICE}"
    assert (incident["state"], incident["severity"], incident["rules"]) == ("firing", "critical", ["sudden-rise"])
    assert Decimal(incident["impact_per_day"]) > 50


def test_the_only_receiver_of_the_demo_is_on_this_machine(tmp_path):
    with terminal() as receiver:
        environment = routing(receiver.url, tmp_path)
    [only] = read(Path(environment["SPENDSTREAM_ALERTS__ROUTING"])).receivers
    assert isinstance(only, WebhookReceiver)
    assert only.url.get_secret_value().startswith("http://127.0.0.1:")
