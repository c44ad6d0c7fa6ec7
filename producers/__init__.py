"""One module per system that is asked what the cloud costs; each publishes cost statements or usage metrics."""
