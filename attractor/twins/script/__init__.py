"""Scripts: which request gets which answer."""
