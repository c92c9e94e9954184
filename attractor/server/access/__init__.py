"""Who calls the server, and what a caller may do."""
