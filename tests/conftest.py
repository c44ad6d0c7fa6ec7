"""Fixtures for all tests."""

import signal

import pytest

pytest_plugins = ["tests.kafka_backends", "tests.clickhouse_backend"]


def pytest_configure() -> None:
    """Let ctrl-C reach what the tests start, also where a shell runs them in the background and ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with tests that take long first, so that no process ends alone with them."""
    long = {item.path for item in items if item.get_closest_marker("timeout") or item.get_closest_marker("kafka")}
    items.sort(key=lambda item: item.path not in long)
