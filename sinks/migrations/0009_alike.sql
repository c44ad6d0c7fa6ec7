-- Earlier anomalies that one is like, the likest first; an empty verdict: nobody said what it was.
ALTER TABLE anomalies {on_cluster}
    ADD COLUMN IF NOT EXISTS alike_id Array(String),
    ADD COLUMN IF NOT EXISTS alike_series Array(String),
    ADD COLUMN IF NOT EXISTS alike_since Array(Date),
    ADD COLUMN IF NOT EXISTS alike_likeness Array(Float64),
    ADD COLUMN IF NOT EXISTS alike_verdict Array(String);
