"""Targets: where records go, and how what they hold is read back; one package per target."""
