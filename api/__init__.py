"""The read API over ClickHouse."""
