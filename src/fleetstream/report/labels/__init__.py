"""Labels for people and for programs."""
