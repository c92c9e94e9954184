"""Tools and options for the models of a provider, one file each."""
