"""Plans of runs: what is known, chosen and checked about a run before anything is written."""
