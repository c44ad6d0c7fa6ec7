"""What all commands share: how they fail, how they are configured, how they answer scripts."""

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import Annotated, ParamSpec, TypeVar

import typer

from spendstream import settings as configuration
from spendstream.settings import ConfigurationError, Settings
from spendstream.supervise import end_with_parent
from spendstream.telemetry import configure

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: Exit status for what a person can mend: settings, addresses, files.
USAGE = 2

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def plainly(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """Turn what a person can mend into a message, never a traceback."""

    @wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return command(*args, **kwargs)
        except (ConfigurationError, OSError) as error:
            sys.stderr.write(f"spendstream: {error}\n")
            raise typer.Exit(USAGE) from None

    return run


def group(help_text: str = "") -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(help=help_text or None, no_args_is_help=True, pretty_exceptions_enable=False)


def service_settings(name: str) -> Settings:
    """Return the settings of a service, whose logs carry its name from here on."""
    end_with_parent()
    settings = configuration.load()
    configure(settings.log, name)
    return settings


def print_json(document: object) -> None:
    """Print one JSON document; times and the like as text."""
    typer.echo(json.dumps(document, indent=2, default=str))
