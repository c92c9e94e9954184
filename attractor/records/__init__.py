"""What is known about a run: readers of its journal and its directory."""
