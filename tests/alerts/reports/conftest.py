"""Deployments that send reports."""

from pathlib import Path

import pytest

from spendstream.local.clickhouse import LocalClickHouse
from spendstream.settings import ClickHouse, Settings
from tests.clickhouse_backend import database
from tests.kafka_backends import Backend


@pytest.fixture
def settings(embedded_kafka: Backend, tables: ClickHouse, tmp_path) -> Settings:
    return _settings(embedded_kafka, tables, tmp_path)


@pytest.fixture
def bare(embedded_kafka: Backend, clickhouse: LocalClickHouse, tmp_path) -> Settings:
    """Settings of a deployment whose ClickHouse has no tables yet."""
    return _settings(embedded_kafka, database(clickhouse), tmp_path)


def _settings(kafka: Backend, clickhouse: ClickHouse, folder: Path) -> Settings:
    return kafka.settings(
        clickhouse=clickhouse,
        alerts={"routing": folder / "routing.yaml"},
        ledger={"tags": ("team",)},
        cost_explorer={"view_tags": ("stage",)},
        detection={"enabled": False},
    )
