"""Values: a pure function of seed, series, measure and timestamp, evaluated on whole arrays."""
