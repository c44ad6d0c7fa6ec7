"""Scheduled reports: what a day, a week or a month cost, to those who asked for it."""
