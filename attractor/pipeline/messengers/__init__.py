"""The messengers: one file for each way to notify people of an open question."""
