"""The backends, which execute codergen stages, one file each."""
