"""The lint rules, one file each. The docstring of a file is the documentation page of its rule."""
