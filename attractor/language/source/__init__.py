"""The text of a pipeline: its tokens, its grammar, and its syntax tree."""
