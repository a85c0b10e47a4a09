"""Recovery: what outlives a run, so that nothing is lost: undelivered records and the manifest."""
