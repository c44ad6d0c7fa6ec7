"""Fixtures for all tests."""

import signal

pytest_plugins = ["tests.kafka_backends"]


def pytest_configure() -> None:
    """Let ctrl-C reach what the tests start, also where a shell runs them in the background and ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
