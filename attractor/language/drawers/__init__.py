"""The programs that draw graphs, one file each, tried in the order of their names."""
