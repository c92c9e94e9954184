"""Live display of a run on a terminal."""
