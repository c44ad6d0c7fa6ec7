-- Which partition of totals has announced which reading: a reading is announced when all have. What is read from lines
-- follows it, so that lines and totals tell the same.
CREATE TABLE IF NOT EXISTS announcements {on_cluster}
(
    run LowCardinality(String),
    source LowCardinality(String),
    provider LowCardinality(String),
    billing_account String,
    view LowCardinality(String),
    reading String,
    epoch UInt32,
    partition UInt32,
    partitions UInt32,
    closed_at DateTime64(3, 'UTC'),
    version UInt64
)
ENGINE = {engine}(version)
ORDER BY (run, source, provider, billing_account, view, reading, epoch, partition);
