"""Alerts: rules over anomalies and totals, incidents, routing, delivery."""
