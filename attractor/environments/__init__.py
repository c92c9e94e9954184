"""Environments: the folder and the processes that agent tools work with."""
