"""The ledger and what follows from it: trials, index, audit, history and report."""
