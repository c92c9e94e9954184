"""One file a way to tell people that a gate waits."""
