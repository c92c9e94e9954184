"""The terminal interface: what needs a person, actors and runs, over the HTTP API."""
