"""The kinds of nodes in a specification, one file each."""
