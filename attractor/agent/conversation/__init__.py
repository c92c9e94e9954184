"""The conversation of an agent with a model: turns, loop, session and subagents."""
