"""Plots of the values that would be generated, as pictures and on a terminal."""
