"""The characters that a terminal executes, or that change the direction of text."""

CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
"""A regular expression; a newline and a tab are not control characters."""
