-- What receivers were told of reports: each time one was told, with its totals by currency. `value` names whose it is,
-- where a report is made for each of something; `number` counts corrections and repetitions.
CREATE TABLE IF NOT EXISTS reports {on_cluster}
(
    report LowCardinality(String),
    value String,
    receiver LowCardinality(String),
    first_day Date,
    last_day Date,
    number UInt32,
    measure LowCardinality(String),
    state LowCardinality(String),
    stage LowCardinality(String),
    channel LowCardinality(String),
    currencies Array(String),
    amounts Array(Decimal(38, 18)),
    digest String,
    sent_at DateTime64(3, 'UTC'),
    attempts UInt32,
    version UInt64
)
ENGINE = {engine}(version)
ORDER BY (report, value, first_day, last_day, receiver, number);

-- The last days of an incident's scope, and what was expected of each; `course_from` is the first of them.
ALTER TABLE incidents {on_cluster}
    ADD COLUMN IF NOT EXISTS course_from Nullable(Date),
    ADD COLUMN IF NOT EXISTS course Array(Decimal(38, 18)),
    ADD COLUMN IF NOT EXISTS course_lower Array(Decimal(38, 18)),
    ADD COLUMN IF NOT EXISTS course_upper Array(Decimal(38, 18));
