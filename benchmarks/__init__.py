"""Benchmarks: ratios between things measured in the same run, never times of their own."""
