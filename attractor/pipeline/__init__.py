"""The composition root: chooses the parts of a run, and runs one pipeline."""
