"""Prepares a workspace: ignored files are copied, and a setup is run."""
