"""The providers, one file each, every one by its own native interface."""
