"""The tree a run works on: a folder without history, its snapshots, and what becomes of them."""
