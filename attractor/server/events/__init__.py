"""The events of runs, from their journals to the readers of streams."""
