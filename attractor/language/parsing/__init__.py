"""The tokens of a pipeline, and the parser that builds a syntax tree from them."""
