"""Ways to ask a person: one file a way."""
