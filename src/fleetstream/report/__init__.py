"""What people and monitoring see of a run.

Everything here reads the ledger of a run, its generator and its target, and changes none of them;
only the keys of the live view act on its control.
"""
