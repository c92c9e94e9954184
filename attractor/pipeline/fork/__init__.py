"""Creates runs that continue from an earlier point of another run."""
