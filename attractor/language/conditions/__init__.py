"""The conditions on edges: parse, evaluate, format, and analyse them."""
