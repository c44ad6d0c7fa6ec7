"""What all parts of spendstream share: settings, topics, clock, money, telemetry, and the command line."""

__version__ = "0.1.0"
