"""Benchmarks: each prints the ratio of two things that were measured in one run, one after the other."""
