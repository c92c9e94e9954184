"""One file a command; a double underscore in its name is a blank on the command line."""
