"""The simulated AWS as a program: a server, or `bill`, its bill as CSV."""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from spendstream.local.simulator.bill import write_bill
from spendstream.local.simulator.catalogue import REGIONS, SERVICES
from spendstream.local.simulator.clock import SimulatedClock, aware
from spendstream.local.simulator.incidents import Incident, load_incidents
from spendstream.local.simulator.making import make_incidents
from spendstream.local.simulator.organisation import Organisation
from spendstream.local.simulator.server import SimulatedAWS
from spendstream.local.simulator.truth import document, whole_at


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return _bill(options) if options.verb == "bill" else _serve(options)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"simulated AWS: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    sizes = argparse.ArgumentParser(add_help=False)
    add = sizes.add_argument
    add("--seed", type=int, default=1, help="which organisation (default 1)")
    add("--accounts", type=int, default=6, help="linked accounts (default 6)")
    add("--services", type=int, default=len(SERVICES), help=f"services, at most {len(SERVICES)}")
    add("--regions", type=int, default=len(REGIONS), help=f"regions, at most {len(REGIONS)}")
    add("--noise", type=float, default=0.1, help="half-width of the noise in an hour, 0 to 0.5 (default 0.1)")
    add("--refresh-hours", type=int, default=8, help="hours between two refreshes of Cost Explorer (default 8)")
    add("--payer", action="append", help="an account that pays; again for another organisation, with the next seed")
    add("--incidents", type=Path, help="a TOML or JSON file of incidents")
    add("--make-incidents", metavar="SEED:COUNT:FROM:TO", help="incidents made from a seed, between two days")
    parser = argparse.ArgumentParser("python -m spendstream.local.simulator", description=__doc__, parents=[sizes])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--start", type=_aware, help="simulated time at the beginning, ISO 8601 (default: now)")
    parser.add_argument("--speed", type=float, default=1, help="simulated seconds a second; 0 stands still")
    parser.add_argument("--page-size", type=int, default=1000, help="groups on a page of Cost Explorer")
    parser.add_argument("--no-hours", action="store_true", help="the accounts have not opted in to hourly data")
    parser.add_argument("--deny", action="append", default=[], metavar="ACTION", help="nobody may do it: ce:GetTags")
    parser.add_argument("--throttled", type=float, default=0.0, help="share of requests that are throttled")
    parser.add_argument("--truth", type=Path, help="write what the incidents do to this file")
    verbs = parser.add_subparsers(dest="verb")
    bill = verbs.add_parser("bill", help="write the bill as CSV to standard output", parents=[sizes])
    bill.add_argument("--at", type=_aware, required=True, help="simulated time at which it is known, ISO 8601")
    bill.add_argument("--from", dest="first", type=date.fromisoformat, required=True, help="first day")
    bill.add_argument("--to", dest="last", type=date.fromisoformat, required=True, help="last day")
    return parser


def _aware(text: str) -> datetime:
    try:
        return aware(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _models(options: argparse.Namespace) -> list[Organisation]:
    """Return an organisation for each payer; an incident is in the one whose account its scope names, or the first."""
    payers = options.payer or ["100000000000"]
    plain = [_build(options, number, payer, ()) for number, payer in enumerate(payers)]
    incidents = list(load_incidents(options.incidents)) if options.incidents else []
    if options.make_incidents:
        incidents += _made(options.make_incidents, plain[0])
    if not incidents:
        return plain
    place = {account: number for number, model in enumerate(plain) for account in (model.payer, *model.accounts)}
    return [
        _build(options, number, payer, [one for one in incidents if place.get(one.scope.account, 0) == number])
        for number, payer in enumerate(payers)
    ]


def _build(options: argparse.Namespace, number: int, payer: str, incidents: Sequence[Incident]) -> Organisation:
    size = options.accounts, options.services, options.regions, options.noise
    every = options.refresh_hours
    return Organisation(options.seed + number, *size, payer=payer, incidents=incidents, refresh_hours=every)


def _made(text: str, model: Organisation) -> Sequence[Incident]:
    try:
        seed, count, first, last = text.split(":")
        return make_incidents(model, int(seed), int(count), date.fromisoformat(first), date.fromisoformat(last))
    except ValueError as error:
        hint = "--make-incidents wants SEED:COUNT:FROM:TO, as in 3:12:2026-03-01:2026-04-30"
        raise ValueError(f"{hint}: {error}") from None


def _bill(options: argparse.Namespace) -> int:
    for number, model in enumerate(_models(options)):
        write_bill(model, options.at, options.first, options.last, sys.stdout, header=not number)
    return 0


def _serve(options: argparse.Namespace) -> int:
    models = _models(options)
    if options.truth is not None:
        ends = whole_at([incident for model in models for incident in model.incidents])
        at = ends or options.start or datetime.now(UTC)
        options.truth.write_text(json.dumps(document(models, at), indent=2) + "\n", encoding="utf-8")
    clock = SimulatedClock(options.start or datetime.now(UTC), options.speed)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with SimulatedAWS(
        models,
        clock,
        port=options.port,
        page_size=options.page_size,
        hourly=not options.no_hours,
        denied=options.deny,
        throttled=options.throttled,
    ) as simulated:
        sys.stdout.write(
            f"simulated AWS at {simulated.url}, {clock.now():%Y-%m-%dT%H:%M:%SZ}, {options.speed:g} × time\n"
        )
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
