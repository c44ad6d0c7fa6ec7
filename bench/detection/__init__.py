"""Benchmarks of detection: labelled series, a scorer, and the scores that others publish."""
