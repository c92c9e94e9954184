"""The workspace of a run: creation, boot, delivery of results."""
