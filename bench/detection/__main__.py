"""`python -m bench.detection nab --data FOLDER [--json]`: score detectors on labelled series."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.detection import nab_corpus
from bench.detection.nab_scoring import Verdict, fitted

Verdicts = dict[str, dict[str, Verdict]]


def nab(folder: Path) -> tuple[Verdicts, list[str]]:
    """Return the verdicts by detector and profile, thresholds fitted, and where they differ from NAB's own code."""
    series = nab_corpus.read(folder)
    corpus = {name: one.labels for name, one in series.items()}
    verdicts: Verdicts = {}
    wrong = []
    for detector, scores in nab_corpus.published(folder, series).items():
        for profile, weights in nab_corpus.profiles(folder).items():
            verdict = fitted(corpus, scores, weights)
            verdicts.setdefault(detector, {})[profile] = verdict
            wrong += nab_corpus.differences(folder, detector, profile, verdict)
    return verdicts, wrong


def _table(verdicts: Verdicts) -> Table:
    table = Table("detector", "profile", "score", "threshold", "windows missed", "false alerts")
    for detector, profiles in verdicts.items():
        for profile, verdict in profiles.items():
            table.add_row(
                detector,
                profile,
                f"{verdict.score:.2f}",
                f"{verdict.threshold:.4f}",
                str(verdict.missed),
                str(verdict.fp),
            )
    return table


def main() -> int:
    """Run what the command line names; 1 when the scorer disagrees with NAB's own, 2 when the data cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__)
    parser.add_argument("name", choices=["nab"], help="which labelled series")
    parser.add_argument("--data", type=Path, required=True, help="folder of NAB: data/, windows.json, published/, …")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    try:
        verdicts, wrong = nab(given.data)
    except (nab_corpus.CorpusError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if given.json:
        plain = {d: {p: asdict(verdict) for p, verdict in profiles.items()} for d, profiles in verdicts.items()}
        sys.stdout.write(json.dumps(plain, indent=2) + "\n")
    else:
        Console().print(_table(verdicts))
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
