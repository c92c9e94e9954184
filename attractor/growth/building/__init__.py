"""Builds a stage of an app: the commit of its plan, and the run of the crew on it."""
