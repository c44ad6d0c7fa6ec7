-- Lower and upper end of the 90 % band of impact_so_far; none: it is not known.
ALTER TABLE anomalies {on_cluster}
    ADD COLUMN IF NOT EXISTS impact_lower Nullable(Decimal(38, 18)) AFTER impact_so_far,
    ADD COLUMN IF NOT EXISTS impact_upper Nullable(Decimal(38, 18)) AFTER impact_lower;

ALTER TABLE incidents {on_cluster}
    ADD COLUMN IF NOT EXISTS impact_lower Nullable(Decimal(38, 18)) AFTER impact_so_far,
    ADD COLUMN IF NOT EXISTS impact_upper Nullable(Decimal(38, 18)) AFTER impact_lower;

ALTER TABLE alerts {on_cluster}
    ADD COLUMN IF NOT EXISTS impact_lower Nullable(Decimal(38, 18)) AFTER impact_so_far,
    ADD COLUMN IF NOT EXISTS impact_upper Nullable(Decimal(38, 18)) AFTER impact_lower;
