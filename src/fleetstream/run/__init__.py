"""A run: what it is, how it is carried out, and what became of every record."""
