-- Incidents, the newest version of each. `child_*` tell what carries it, `alert_ids` of which alerts it was made.
CREATE TABLE IF NOT EXISTS incidents {on_cluster}
(
    run LowCardinality(String),
    id String,
    state LowCardinality(String),
    severity LowCardinality(String),
    scope String,
    level LowCardinality(String),
    kind LowCardinality(String),
    rules Array(String),
    currency Nullable(String),
    provider LowCardinality(String),
    account String,
    service LowCardinality(String),
    says String,
    actual Nullable(Decimal(38, 18)),
    expected Nullable(Decimal(38, 18)),
    impact_per_day Nullable(Decimal(38, 18)),
    impact_so_far Nullable(Decimal(38, 18)),
    impact_to_month_end Nullable(Decimal(38, 18)),
    since DateTime64(3, 'UTC'),
    opened_at DateTime64(3, 'UTC'),
    changed_at DateTime64(3, 'UTC'),
    snoozed_until Nullable(DateTime64(3, 'UTC')),
    child_series Array(String),
    child_share Array(Float64),
    alert_ids Array(String),
    alert_count UInt32,
    firing_count UInt32,
    owner Nullable(String),
    labels Map(LowCardinality(String), String),
    runbook Nullable(String),
    version UInt64
)
ENGINE = {engine}(version)
ORDER BY (run, id);

-- Every move of an incident from one state to another; `version` is the one of the incident that it led to.
CREATE TABLE IF NOT EXISTS incident_transitions {on_cluster}
(
    run LowCardinality(String),
    incident String,
    version UInt64,
    before Nullable(String),
    after LowCardinality(String),
    at DateTime64(3, 'UTC'),
    by String,
    why String
)
ENGINE = {engine}(version)
ORDER BY (run, incident, version);

-- What rules said, the newest version of each.
CREATE TABLE IF NOT EXISTS alerts {on_cluster}
(
    run LowCardinality(String),
    id String,
    state LowCardinality(String),
    change LowCardinality(String),
    rule String,
    kind LowCardinality(String),
    severity LowCardinality(String),
    subject String,
    currency Nullable(String),
    charges Array(String),
    anomaly Nullable(String),
    shape Nullable(String),
    day Nullable(Date),
    actual Nullable(Decimal(38, 18)),
    expected Nullable(Decimal(38, 18)),
    impact_per_day Nullable(Decimal(38, 18)),
    impact_so_far Nullable(Decimal(38, 18)),
    impact_to_month_end Nullable(Decimal(38, 18)),
    score Nullable(Float64),
    since DateTime64(3, 'UTC'),
    observed_at DateTime64(3, 'UTC'),
    says String,
    labels Map(LowCardinality(String), String),
    runbook Nullable(String),
    version UInt64
)
ENGINE = {engine}(version)
ORDER BY (run, id);

-- What became of telling a receiver of an incident: each try and each decision; `version` is the one of the incident.
CREATE TABLE IF NOT EXISTS deliveries {on_cluster}
(
    run LowCardinality(String),
    incident String,
    receiver String,
    at DateTime64(3, 'UTC'),
    outcome LowCardinality(String),
    message String,
    channel LowCardinality(String),
    told_group String,
    version UInt64,
    state LowCardinality(String),
    severity LowCardinality(String),
    reason String,
    error Nullable(String),
    fallback Nullable(String),
    attempt UInt32,
    observed_at DateTime64(3, 'UTC'),
    scored_at Nullable(DateTime64(3, 'UTC')),
    fired_at Nullable(DateTime64(3, 'UTC'))
)
ENGINE = {engine}(version)
ORDER BY (run, incident, receiver, at, outcome, message);

-- What people said of anomalies, the newest word of each id; no run: all runs heed it.
CREATE TABLE IF NOT EXISTS feedback {on_cluster}
(
    id String,
    verdict LowCardinality(String),
    incident String,
    anomalies Array(String),
    series Array(String),
    kinds Array(String),
    first_day Nullable(Date),
    last_day Nullable(Date),
    by String,
    why String,
    at DateTime64(3, 'UTC'),
    version UInt64
)
ENGINE = {engine}(version)
ORDER BY id;

-- Rules as they were applied last; one that was removed has no definition.
CREATE TABLE IF NOT EXISTS rules {on_cluster}
(
    id String,
    definition Nullable(String),
    by String,
    applied_at DateTime64(3, 'UTC'),
    version UInt64
)
ENGINE = {engine}(version)
ORDER BY id;
