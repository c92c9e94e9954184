"""The records that the command line and the server share, by group of commands."""
