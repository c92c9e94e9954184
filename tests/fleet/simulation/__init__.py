"""Histories of a fleet with faults in virtual time: its worker is real, the rest a model."""
