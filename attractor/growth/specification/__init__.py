"""The specification of an app as a graph: read, written, compared and drawn."""
