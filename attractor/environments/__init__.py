"""Environments: the folder and the processes that the tools of agents use."""
