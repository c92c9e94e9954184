"""Edge selection, goal gates, limits and retries."""
