-- What metered usage of a day costs before the bill says so; a measure of its own, never added to totals.
CREATE TABLE IF NOT EXISTS estimates {on_cluster}
(
    run LowCardinality(String),
    provider LowCardinality(String),
    billing_account String,
    account String,
    service LowCardinality(String),
    currency LowCardinality(String),
    day Date,
    as_of DateTime64(3, 'UTC'),
    so_far Decimal(38, 18),
    at_day_end Decimal(38, 18),
    lower Decimal(38, 18),
    upper Decimal(38, 18),
    coverage Float64,
    unpriced Array(String),
    billed Nullable(Decimal(38, 18)),
    version UInt64
)
ENGINE = {engine}(version)
ORDER BY (run, account, service, currency, day);
