"""Apps: code generated from a specification, its divergence, and the running process."""
