-- Readings: opened and closed, with the source's control totals by currency.
CREATE TABLE IF NOT EXISTS readings {on_cluster}
(
    run LowCardinality(String),
    source LowCardinality(String),
    provider LowCardinality(String),
    billing_account String,
    reading String,
    view LowCardinality(String),
    opened_at DateTime64(3, 'UTC'),
    first_day Date32,
    last_day Date32,
    billing_periods Array(Date),
    closed_at Nullable(DateTime64(3, 'UTC')),
    scopes UInt64,
    published UInt64,
    closed_through Nullable(Date32),
    final_through Nullable(Date32),
    currencies Array(LowCardinality(String)),
    lines Array(UInt64),
    billed Array(Decimal(38, 18)),
    effective Array(Decimal(38, 18)),
    version UInt64
)
ENGINE = {engine}(version)
ORDER BY (run, source, provider, billing_account, view, reading);

CREATE TABLE IF NOT EXISTS usage_metrics {on_cluster}
(
    run LowCardinality(String),
    source LowCardinality(String),
    account String,
    region LowCardinality(String),
    namespace LowCardinality(String),
    metric LowCardinality(String),
    statistic LowCardinality(String),
    dimensions String,
    period_seconds UInt32,
    start DateTime64(3, 'UTC'),
    value Float64,
    complete Bool,
    unit LowCardinality(String),
    service LowCardinality(String),
    usage_type LowCardinality(String),
    factor Nullable(Decimal(38, 18)),
    version UInt64
)
ENGINE = {engine}(version)
PARTITION BY toYYYYMM(start)
ORDER BY (run, source, account, region, namespace, metric, statistic, dimensions, period_seconds, start);

CREATE TABLE IF NOT EXISTS controls {on_cluster}
(
    run LowCardinality(String),
    source LowCardinality(String),
    provider LowCardinality(String),
    billing_account String,
    control LowCardinality(String),
    first_day Date,
    last_day Date,
    currency LowCardinality(String),
    billed Nullable(Decimal(38, 18)),
    effective Nullable(Decimal(38, 18)),
    lower Nullable(Decimal(38, 18)),
    upper Nullable(Decimal(38, 18)),
    estimated Bool,
    read_at DateTime64(3, 'UTC'),
    version UInt64
)
ENGINE = {engine}(version)
ORDER BY (run, source, provider, billing_account, control, currency, first_day, last_day);

CREATE TABLE IF NOT EXISTS paid_requests {on_cluster}
(
    run LowCardinality(String),
    id String,
    at DateTime64(3, 'UTC'),
    api LowCardinality(String),
    billing_account String,
    purpose LowCardinality(String),
    detail String,
    cost Decimal(38, 18),
    outcome LowCardinality(String),
    reading String,
    version UInt64
)
ENGINE = {engine}(version)
ORDER BY (run, id);

CREATE TABLE IF NOT EXISTS dead_letters {on_cluster}
(
    run LowCardinality(String),
    id String,
    at DateTime64(3, 'UTC'),
    stage LowCardinality(String),
    origin String,
    topic String,
    error LowCardinality(String),
    reason String,
    value String,
    retries UInt32,
    version UInt64
)
ENGINE = {engine}(version)
ORDER BY (run, id);

CREATE TABLE IF NOT EXISTS runs {on_cluster}
(
    run String,
    state LowCardinality(String),
    steps Array(String),
    started_at DateTime64(3, 'UTC'),
    finished_at Nullable(DateTime64(3, 'UTC')),
    events UInt64,
    note String,
    version UInt64
)
ENGINE = {engine}(version)
ORDER BY (run);
