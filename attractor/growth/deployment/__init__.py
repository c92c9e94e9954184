"""Deploys plans: from the commit of a plan to the running app, and back again."""
