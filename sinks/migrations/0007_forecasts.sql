-- What series come to by the end of a day, month or quarter, as it was foretold on a day; the newest of each day.
CREATE TABLE IF NOT EXISTS forecasts {on_cluster}
(
    run LowCardinality(String),
    currency LowCardinality(String),
    level LowCardinality(String),
    series String,
    provider LowCardinality(String),
    account String,
    service LowCardinality(String),
    tag LowCardinality(String),
    tag_value String,
    kind LowCardinality(String),
    horizon LowCardinality(String),
    day Date,
    ends Date,
    settled Date,
    so_far Decimal(38, 18),
    mean Decimal(38, 18),
    lower Decimal(38, 18),
    upper Decimal(38, 18),
    coverage Float64,
    source LowCardinality(String),
    reading String,
    closed_at DateTime64(3, 'UTC'),
    version UInt64
)
ENGINE = {engine}(version)
PARTITION BY toYYYYMM(day)
ORDER BY (run, currency, series, kind, horizon, day);
