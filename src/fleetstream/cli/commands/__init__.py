"""Commands: every module here is one, under its own name.

A command has a ``SUMMARY``, ``configure(parser)`` and ``run(options)``, which returns the exit code
and raises ValueError for wrong usage.
"""
