"""Draws pipelines: ids, labels, colours and boxes, and the texts that drawers read."""
