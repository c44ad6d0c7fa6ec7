"""Logs: readable lines on a terminal, JSON elsewhere; secrets never pass."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from pydantic import SecretStr

from spendstream.settings import Log

_NOISY = ("faust", "mode", "aiokafka", "botocore", "boto3", "urllib3", "kafka", "asyncio")


def _hide_secrets(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, SecretStr):
            event[name] = "**********"
    return event


def configure(settings: Log, service: str) -> None:
    """Send this process's logs to standard error, each with the service's name."""
    text = settings.format == "text" or (settings.format == "auto" and sys.stderr.isatty())
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if text else "iso", utc=True)
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _hide_secrets,
        stamp,
        lambda _, __, event: {"service": service, **event},
    ]
    renderer: Any = structlog.dev.ConsoleRenderer() if text else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
