"""Ways to do a codergen stage: one file a way."""
