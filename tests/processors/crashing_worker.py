"""A worker for tests: `crashing_worker.py SETTINGS [POINT:HIT]` ends itself at the HIT-th pass of a fault point."""

import faulthandler
import logging
import os
import signal
import sys
from collections import Counter

from processors.service import WORK
from processors.worker import run
from spendstream.settings import Settings

CRASHED = 9


def main() -> None:
    """Run until terminated, or until the fault."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(levelname)s %(message)s")
    faulthandler.register(signal.SIGUSR1)
    point, _, hit = sys.argv[2].partition(":")
    hits: Counter[str] = Counter()

    def fault(at: str) -> None:
        hits[at] += 1
        if at == point and hits[at] == int(hit):
            os._exit(CRASHED)

    run(Settings.model_validate_json(sys.argv[1]), WORK, fault)


if __name__ == "__main__":
    main()
