"""A run: what it is, how it is carried out, and what became of every record.

In the order data flows: ``spec`` (the description), ``options`` and ``notation`` (the same as
text), ``runner`` (opens and carries out), ``assembly`` (puts the parts together), ``schedule`` and
``clock`` (when), ``sweeps`` (batches), ``pipeline`` and ``delivery`` (requests), ``ledger`` and
``latency`` (accounts), ``progress``, ``journal``, ``manifest`` and ``undelivered`` (what is kept),
``replay``, ``workers``, ``periodic`` (actions beside a run), and ``interruptible`` (calls that
Ctrl-C can end).
"""
