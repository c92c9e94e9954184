"""The commands, one file each; `__` in a file name is a space on the command line."""
