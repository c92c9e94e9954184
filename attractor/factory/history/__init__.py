"""Reads the lines of the ledger: records, trials, lists, reports, audit."""
