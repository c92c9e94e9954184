"""The journal of a run: its events, and the state that they add up to."""
