"""The roles of the crew, one file each: what an agent gets, and what it answers."""
