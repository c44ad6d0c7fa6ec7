"""AutoETS of statsforecast on the histories of a file: a program of its own, for it runs in an environment of its own.

Its one argument is a JSON file: a list of {"values": […], "days": n}. It prints {"sums": […], "seconds": …}: what it
expects each to come to over the next `days`, and the processor time that it took, without the first, which compiles.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from statsforecast.models import AutoETS

_WEEK = 7


def main() -> None:
    """Forecast what the file names, and print it."""
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))

    def total(one: dict[str, Any]) -> float:
        return float(AutoETS(season_length=_WEEK).forecast(y=np.array(one["values"]), h=one["days"])["mean"].sum())

    total(asked[0])
    begin = time.process_time()
    sums = [total(one) for one in asked]
    sys.stdout.write(json.dumps({"sums": sums, "seconds": time.process_time() - begin}) + "\n")


if __name__ == "__main__":
    main()
