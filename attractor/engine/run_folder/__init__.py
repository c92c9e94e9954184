"""The folder of a run: its layout, and the run that has it open."""
