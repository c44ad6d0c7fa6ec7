"""`python -m bench.detection bills`: run the bills benchmark and say what came of it, as Markdown or JSON."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from bench.detection import bills_impact, bills_organisation, bills_power, bills_report
from bench.detection.bills import Power
from bench.detection.bills_model import Floats
from bench.detection.bills_report import OURS, Outcome


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
    told = dict[str, list[dict[str, Any]]]()
    short: tuple[str, list[Any]] = ("in short", bills_report.summary(outcomes))
    for name, rows in chain([short], _others(seed, residuals, small=small)):
        told[name] = [one if isinstance(one, dict) else asdict(one) for one in rows]
        if not as_json:
            sys.stdout.writelines(line + "\n" for line in _plain_table(name, told[name]))
            sys.stdout.flush()
    if as_json:
        plain = {"outcomes": [one.plain() for one in outcomes], **told}
        sys.stdout.write(json.dumps(plain, indent=2) + "\n")
    return 0


def _others(seed: int, residuals: Floats | None, *, small: bool) -> Iterator[tuple[str, list[Any]]]:
    """Yield the tables that come of no scenario, each as soon as it is there: they take minutes."""
    series, days = (10, 250) if small else (600, 700)
    yield "power by size", bills_power.curves(seed, series, days)
    yield "what can be found of loops", bills_power.bounds(seed, "runaway_loop", series, days)
    yield "false alerts on ordinary bills", bills_power.quiet(seed, residuals, *((10, 250) if small else (1000, 850)))
    yield "impact within a tenth", bills_impact.impacts(seed, 4.0, 20 if small else 600, 310 if small else 700)
    yield "forecast", [bills_report.forecasts(seed, *((10, 190) if small else (300, 500)))]
    yield "scope exact", [bills_report.causes(seed, 12 if small else 600)]
    if not small:
        yield "power by size, hourly", bills_power.curves(seed, 200, 240, hourly=True)
        yield "false alerts on ordinary hourly bills", [bills_power.quiet_hours(seed)]
        yield "organisations", bills_organisation.summaries(seed)


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
    rules = sorted({one.detector for one in outcome.powers} - {OURS})
    yield f"| {' | '.join(['kind', 'size', 'incidents', 'oracle', OURS, 'of the oracle', 'delay', *rules])} |"
    yield "|---|" + "---:|" * (6 + len(rules))
    cells: dict[tuple[str, float], dict[str, Power]] = {}
    for one in outcome.powers:
        cells.setdefault((one.kind, one.size), {})[one.detector] = one
    for (kind, size), found in cells.items():
        own = found[OURS]
        told = kind != "vanished_usage"
        share = f"{own.found / own.oracle:.2f}" if told and own.oracle > 0 else "–"
        others = "".join(f" {found[name].found:.2f} |" for name in rules)
        yield (
            f"| {kind} | {size:g} | {own.incidents} | {f'{own.oracle:.2f}' if told else '–'} | {own.found:.2f} "
            f"| {share} | {f'{own.delay:.0f}' if own.found else '–'} |{others}"
        )
    yield ""


def _plain_table(name: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield rows that have the same names as a table."""
    yield f"### {name}"
    yield ""
    yield f"| {' | '.join(rows[0])} |"
    yield "|---|" + "---:|" * (len(rows[0]) - 1)
    for row in rows:
        yield f"| {' | '.join(_cell(value) for value in row.values())} |"
    yield ""


def _cell(value: object) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(_cell(one) for one in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)
