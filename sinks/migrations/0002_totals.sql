-- Exact day totals of every series, as announced when a reading closed.
CREATE TABLE IF NOT EXISTS totals {on_cluster}
(
    run LowCardinality(String),
    currency LowCardinality(String),
    level LowCardinality(String),
    series String,
    day Date,
    kind LowCardinality(String),
    provider LowCardinality(String),
    account String,
    service LowCardinality(String),
    region LowCardinality(String),
    usage_type LowCardinality(String),
    tag LowCardinality(String),
    tag_value String,
    billed Decimal(38, 18),
    effective Decimal(38, 18),
    reading String,
    closed_at DateTime64(3, 'UTC'),
    version UInt64
)
ENGINE = {engine}(version)
PARTITION BY toYYYYMM(day)
ORDER BY (run, currency, level, series, day, kind);

CREATE TABLE IF NOT EXISTS hour_totals {on_cluster}
(
    run LowCardinality(String),
    currency LowCardinality(String),
    level LowCardinality(String),
    series String,
    day Date,
    hour UInt8,
    kind LowCardinality(String),
    provider LowCardinality(String),
    account String,
    service LowCardinality(String),
    billed Decimal(38, 18),
    effective Decimal(38, 18),
    reading String,
    closed_at DateTime64(3, 'UTC'),
    version UInt64
)
ENGINE = {engine}(version)
PARTITION BY toYYYYMM(day)
ORDER BY (run, currency, level, series, day, hour, kind);

-- The current rolling windows of every series from an account's service upwards; `window_end` is their last day.
CREATE TABLE IF NOT EXISTS rolling_totals {on_cluster}
(
    run LowCardinality(String),
    currency LowCardinality(String),
    level LowCardinality(String),
    series String,
    window LowCardinality(String),
    kind LowCardinality(String),
    provider LowCardinality(String),
    account String,
    service LowCardinality(String),
    tag LowCardinality(String),
    tag_value String,
    window_end Date,
    billed Decimal(38, 18),
    effective Decimal(38, 18),
    reading String,
    version UInt64
)
ENGINE = {engine}(version)
ORDER BY (run, currency, level, series, window, kind);
