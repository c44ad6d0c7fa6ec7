"""Stream steps: pure objects that turn an event and their state into the events that follow, and their drivers."""
