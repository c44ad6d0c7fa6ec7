"""`python -m bench [NAME …] [--small] [--json]`: run the benchmarks, and print their ratios."""

import argparse
import json
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from bench import alerting, api, focus_memory, folding, peers, reports, sink, stream
from bench.result import Result
from spendstream.local.kafka_apache import QUICK_START, ApacheKafka
from spendstream.local.kafka_install import MissingDependencyError, install

RUNS = {
    "stream": stream.run,
    "sink": sink.run,
    "focus-memory": focus_memory.run,
    "peers": peers.run,
    "api": api.run,
    "alerting": alerting.run,
    "folding": folding.run,
    "reports": reports.run,
}


def results(names: list[str], *, small: bool) -> Iterator[Result]:
    """Yield the results of the named benchmarks."""
    with ApacheKafka(java_options=QUICK_START, heap_mb=1024) as kafka:
        for name in names:
            yield from RUNS[name](kafka, small=small)


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> int:
    """Run what the command line names; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*RUNS, []], help=f"of {', '.join(RUNS)}; none: all")
    parser.add_argument("--small", action="store_true", help="a few seconds, to see that it runs; ratios mean nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    found = []
    try:
        install(_tell)
        for result in results(given.names or list(RUNS), small=given.small):
            _tell(f"{result.name}: {result.ratio:.2f}")
            found.append(result)
    except MissingDependencyError as error:
        _tell(str(error))
        return 2
    if given.json:
        sys.stdout.write(json.dumps([result.plain() for result in found], indent=2) + "\n")
    else:
        table = Table("benchmark", "ours", "other", "unit", "ratio (spread)", "bar", "")
        for result in found:
            table.add_row(*result.row())
        Console().print(table)
    return 0 if given.small or all(result.met for result in found) else 1


if __name__ == "__main__":
    sys.exit(main())
