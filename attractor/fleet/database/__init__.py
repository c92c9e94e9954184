"""The rows of a fleet and its queue, in SQLite or PostgreSQL."""
