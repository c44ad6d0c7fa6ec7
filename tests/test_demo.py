"""The main job, end to end: the demo's figures against a sum of the source file by the standard library alone."""

import csv
import json
import subprocess
import sys
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from spendstream.local.demo import SIMULATED_SEED
from spendstream.local.simulator import Organisation

BILLS = Path(__file__).parents[1] / "spendstream" / "local" / "data" / "focus" / "focus_sample.csv"


def sum_of_the_organisation(at: datetime) -> dict[str, Decimal]:
    """The bill that the simulated AWS tells at a time, from its model alone, over the days that are read."""
    model = Organisation(seed=SIMULATED_SEED)
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


def test_the_demo_agrees_with_the_bills_to_the_last_digit():
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
