"""The roles of the crew, one file each: the input and the answer of an agent."""
