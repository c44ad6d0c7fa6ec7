-- Every version of every part of a statement, for questions about the past. What is older than the horizon collapses to
-- the newest of it, so that a scope never loses its newest version.
CREATE TABLE IF NOT EXISTS statement_history {on_cluster}
(
    run LowCardinality(String),
    source LowCardinality(String),
    provider LowCardinality(String),
    billing_account String,
    billing_period Date,
    account String,
    service LowCardinality(String),
    currency LowCardinality(String),
    day Date,
    view LowCardinality(String),
    part UInt32,
    version UInt64,
    parts UInt32,
    reading String,
    read_at DateTime64(3, 'UTC'),
    source_time Nullable(DateTime64(3, 'UTC')),
    estimated Bool,
    reconciled Bool,
    account_name String,
    kind Array(LowCardinality(String)),
    region Array(LowCardinality(String)),
    usage_type Array(LowCardinality(String)),
    tags Array(Map(LowCardinality(String), String)),
    hour Array(Int8),
    billed Array(Decimal(38, 18)),
    effective Array(Decimal(38, 18)),
    list_cost Array(Nullable(Decimal(38, 18))),
    contracted Array(Nullable(Decimal(38, 18))),
    blended Array(Nullable(Decimal(38, 18))),
    quantity Array(Nullable(Decimal(38, 18))),
    unit Array(LowCardinality(String)),
    resource Array(String),
    operation Array(LowCardinality(String)),
    charge_category Array(LowCardinality(String)),
    charge_class Array(LowCardinality(String)),
    charge_frequency Array(LowCardinality(String)),
    pricing_category Array(LowCardinality(String)),
    commitment Array(String),
    description Array(String),
    charge_end Array(Date)
)
ENGINE = {engine}(version)
PARTITION BY toYYYYMM(day)
PRIMARY KEY (run, source, provider, billing_account, billing_period, account, service, currency, day, view, part)
ORDER BY (run, source, provider, billing_account, billing_period, account, service, currency, day, view, part, version)
TTL toDateTime(read_at) + toIntervalDay({history_days})
GROUP BY run, source, provider, billing_account, billing_period, account, service, currency, day, view, part
SET parts = argMax(parts, version), reading = argMax(reading, version), read_at = argMax(read_at, version),
    source_time = argMax(source_time, version), estimated = argMax(estimated, version),
    reconciled = argMax(reconciled, version), account_name = argMax(account_name, version),
    kind = argMax(kind, version), region = argMax(region, version), usage_type = argMax(usage_type, version),
    tags = argMax(tags, version), hour = argMax(hour, version), billed = argMax(billed, version),
    effective = argMax(effective, version), list_cost = argMax(list_cost, version),
    contracted = argMax(contracted, version), blended = argMax(blended, version),
    quantity = argMax(quantity, version), unit = argMax(unit, version), resource = argMax(resource, version),
    operation = argMax(operation, version), charge_category = argMax(charge_category, version),
    charge_class = argMax(charge_class, version), charge_frequency = argMax(charge_frequency, version),
    pricing_category = argMax(pricing_category, version), commitment = argMax(commitment, version),
    description = argMax(description, version), charge_end = argMax(charge_end, version),
    version = max(version);

-- The newest complete version of every scope, all its parts in one row.
CREATE TABLE IF NOT EXISTS statements {on_cluster} AS statement_history
ENGINE = {engine}(version)
PARTITION BY toYYYYMM(day)
PRIMARY KEY (run, source, provider, billing_account, billing_period, account, service, currency, day, view)
ORDER BY (run, source, provider, billing_account, billing_period, account, service, currency, day, view);

-- One row a line; an optional column that a statement does not have gives its type's empty value.
CREATE VIEW IF NOT EXISTS lines {on_cluster} AS
SELECT
    run, source, provider, billing_account, billing_period, account, account_name, service, currency, day, view,
    version, reading, read_at, estimated, reconciled,
    s.kind[n] AS kind, s.region[n] AS region, s.usage_type[n] AS usage_type, s.tags[n] AS tags,
    if(empty(s.hour), -1, s.hour[n]) AS hour, s.billed[n] AS billed, s.effective[n] AS effective,
    s.list_cost[n] AS list_cost, s.contracted[n] AS contracted, s.blended[n] AS blended, s.quantity[n] AS quantity,
    s.unit[n] AS unit, s.resource[n] AS resource, s.operation[n] AS operation, s.charge_category[n] AS charge_category,
    s.charge_class[n] AS charge_class, s.charge_frequency[n] AS charge_frequency,
    s.pricing_category[n] AS pricing_category, s.commitment[n] AS commitment, s.description[n] AS description
FROM statements AS s FINAL
ARRAY JOIN arrayEnumerate(s.billed) AS n;
