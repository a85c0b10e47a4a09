"""An Amazon Timestream on this machine: its write and query APIs over an embedded database.

It stands apart from the generator, and serves any client of Timestream.
"""
