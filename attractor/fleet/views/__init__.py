"""A fleet as people see it: runs, workers, pools and universes."""
