"""The HTTP server of one project: API, event streams and web pages."""
