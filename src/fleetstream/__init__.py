"""A simulated fleet of servers and its telemetry."""
