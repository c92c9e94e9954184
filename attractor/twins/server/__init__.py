"""The HTTP server of a provider twin, and the API that controls it."""
