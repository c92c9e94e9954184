"""The kinds of route, one file each."""
