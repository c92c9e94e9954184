"""Questions about the factory, answered by an agent and checked by the program."""
