"""Histories of a fleet with faults, in virtual time: the worker is real, what is around it is a model."""
