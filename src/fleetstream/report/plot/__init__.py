"""Plots of what would be generated, as pictures and on a terminal."""
