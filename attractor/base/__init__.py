"""What every room stands on; it needs the standard library alone."""
