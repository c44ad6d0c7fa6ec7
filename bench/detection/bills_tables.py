"""`python -m bench.detection bills`: run the bills benchmark and say what came of it, as Markdown or JSON."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from bench.detection import bills_organisation, bills_report
from bench.detection.bills import Power
from bench.detection.bills_report import Outcome

_OURS = "spendstream"


def main(data: Path | None, seed: int, *, small: bool, as_json: bool) -> int:
    """Run all scenarios and print them; 2 when the folder of real series cannot be read."""
    try:
        residuals = bills_report.residuals_of(data) if data else None
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    outcomes = []
    for scenario in bills_report.scenarios(small=small, residuals=residuals):
        sys.stderr.write(f"{scenario.name} …\n")
        outcomes.append(bills_report.run(scenario, seed))
        if not as_json:
            sys.stdout.writelines(line + "\n" for line in markdown(outcomes[-1]))
            sys.stdout.flush()
    trees = [] if small else bills_report.trees(seed)
    sizes = {"series": 10, "days": 190} if small else {}
    others: dict[str, dict[str, float]] = {
        "forecast": asdict(bills_report.forecasts(seed, **sizes)),
        "impact": asdict(bills_report.impacts(seed, **({"series": 10, "days": 310} if small else {}))),
        "scope exact": bills_report.causes(seed, 12 if small else 600),
    }
    if not small:
        others["organisation"] = bills_organisation.summary(bills_organisation.run(seed))
    if as_json:
        plain = {"outcomes": [one.plain() for one in outcomes], "trees": [asdict(one) for one in trees], **others}
        sys.stdout.write(json.dumps(plain, indent=2) + "\n")
        return 0
    if trees:
        best = max(one.found for one in trees if one.kind != "vanished_usage")
        sys.stdout.write(f"river's HalfSpaceTrees, 20 series: at most {best:.2f} found of any kind and size.\n\n")
    for name, figures in others.items():
        sys.stdout.write(f"{name}: {figures}\n")
    return 0


def markdown(outcome: Outcome) -> Iterator[str]:
    """Yield a table: of each kind and size, the share that was found by us, by the oracle, and by the best rule."""
    ratio = outcome.false_alerts / outcome.allowed
    yield f"### {outcome.scenario}"
    yield ""
    yield (
        f"False alerts at the shipped threshold: {outcome.false_alerts}, where the setting allows "
        f"{outcome.allowed:.1f} (× {ratio:.2f}). {outcome.microseconds:.1f} µs to score and learn a point."
    )
    yield ""
    rules = sorted({one.detector for one in outcome.powers} - {_OURS})
    yield f"| kind | size | incidents | oracle | {_OURS} | of the oracle | delay | {' | '.join(rules)} |"
    yield "|---|" + "---:|" * (6 + len(rules))
    cells: dict[tuple[str, float], dict[str, Power]] = {}
    for one in outcome.powers:
        cells.setdefault((one.kind, one.size), {})[one.detector] = one
    for (kind, size), found in cells.items():
        own = found[_OURS]
        told = kind != "vanished_usage"
        share = f"{own.found / own.oracle:.2f}" if told and own.oracle > 0 else "–"
        others = " | ".join(f"{found[name].found:.2f}" for name in rules)
        yield (
            f"| {kind} | {size:g} | {own.incidents} | {f'{own.oracle:.2f}' if told else '–'} | {own.found:.2f} "
            f"| {share} | {f'{own.delay:.0f}' if own.found else '–'} | {others} |"
        )
    yield ""
