"""Basic modules that all other rooms may import; they use the standard library only."""
