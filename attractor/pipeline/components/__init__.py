"""Builds the parts of a run: handlers, backends, interviewer, middleware."""
