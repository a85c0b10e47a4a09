"""Tests of the local Timestream, through public clients."""
