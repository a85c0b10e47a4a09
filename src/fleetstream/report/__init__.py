"""Display: what people see of a run. It reads the ledger and the workload, and changes nothing."""
