"""The main job, end to end: the demo's figures against a sum of the source file by the standard library alone."""

import csv
import json
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

BILLS = Path(__file__).parents[1] / "spendstream" / "local" / "data" / "focus" / "focus_sample.csv"


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
    assert shown == sum_of_the_file()
    assert document["lines"] == 1000
    assert document["readings"] == 3
    assert document["dead_letters"] == 0
