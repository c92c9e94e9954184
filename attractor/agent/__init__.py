"""The coding-agent loop: a conversation with a model that works through tools."""
