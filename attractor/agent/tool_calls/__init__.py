"""The calls of tools: definitions, execution, hooks and shared state."""
