"""One file a drawer; they are tried in the order of their names."""
