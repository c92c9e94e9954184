"""The forges: one file for each service with pull requests."""
