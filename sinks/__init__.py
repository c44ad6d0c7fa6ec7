"""Kafka → ClickHouse: every topic's rows, and the tables as numbered SQL migrations."""
