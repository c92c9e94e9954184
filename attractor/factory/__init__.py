"""How a run is judged and promoted: profiles, suites, the gate, decisions and their ledger."""
