#!/bin/sh
# Makes the user that the API and Grafana use: it can only read.
set -eu
clickhouse-client --user "$CLICKHOUSE_USER" --password "$CLICKHOUSE_PASSWORD" --multiquery <<SQL
CREATE DATABASE IF NOT EXISTS spendstream;
CREATE USER IF NOT EXISTS spendstream_reader IDENTIFIED BY '$READER_PASSWORD' SETTINGS readonly = 2;
GRANT SELECT, SHOW ON spendstream.* TO spendstream_reader;
SQL
