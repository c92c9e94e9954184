"""Judges and promotes runs: profiles, suites, the gate, decisions, and the ledger of decisions."""
