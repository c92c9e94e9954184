"""The tokens of a pipeline and the grammar that makes a syntax tree of them."""
