"""From a parsed graph to one that can run: imports, inputs, stylesheet, checks."""
