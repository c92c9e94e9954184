"""What needs a person, over all projects, and what the person can do about it."""
