"""The bill as CSV, as it is known at a simulated time: a control that needs no AWS client."""

import csv
from datetime import date, datetime, timedelta
from typing import TextIO

import numpy as np

from spendstream.local.simulator.organisation import METRICS, Organisation, decimal_of, scale_of

_DIMENSIONS = ("account", "service", "region", "usage_type", "operation", "record_type", "billing_entity", "unit")
_COLUMNS = {
    "UnblendedCost": "unblended", "NetUnblendedCost": "net_unblended", "AmortizedCost": "amortized",
    "NetAmortizedCost": "net_amortized", "BlendedCost": "blended", "UsageQuantity": "quantity",
    "NormalizedUsageAmount": "normalized",
}  # fmt: skip


def write_bill(model: Organisation, at: datetime, first: date, last: date, out: TextIO, *, header: bool = True) -> int:
    """Write every line of the days `first` to `last` (inclusive) that has an amount; return how many there are.

    Columns: day, hour, payer, the dimensions, tags as `key=value` joined by semicolons, currency, and the metrics as
    decimals.
    """
    writer = csv.writer(out, lineterminator="\n")
    if header:
        writer.writerow(["day", "hour", "payer", *_DIMENSIONS, "tags", "currency", *(_COLUMNS[m] for m in METRICS)])
    count = 0
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        amounts = model.day(day, at).amounts
        for row, hour in np.argwhere((amounts != 0).any(axis=0)):
            series = model.series[row]
            values = [f"{decimal_of(int(amounts[m, row, hour]), scale_of(name)):f}" for m, name in enumerate(METRICS)]
            tags = ";".join(f"{key}={value}" for key, value in series.tags)
            known = [getattr(series, name) for name in _DIMENSIONS]
            writer.writerow([day.isoformat(), hour, model.payer, *known, tags, model.currency, *values])
            count += 1
    return count
