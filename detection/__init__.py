"""Detection: the pure part. Scores, bands, causes and forecasts of series, with no Kafka and no clock."""
