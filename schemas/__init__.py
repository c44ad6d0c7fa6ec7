"""Avro schemas by subject and version, the event classes that mirror them, and the wire codec."""
