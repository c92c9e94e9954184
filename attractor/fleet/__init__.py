"""Many machines: where and when a run executes."""
