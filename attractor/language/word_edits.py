"""Puts one word in place of another as a person would write it."""

from attractor.language.diagnostics import Edit
from attractor.language.values import Value, quoted
from attractor.language.words import written_word


def word_edits(value: Value, word: str) -> tuple[Edit, ...]:
    """Return the edit of a value: in quotes where it had some, or needs them; none for no word."""
    if not word:
        return ()
    had_quotes = value.text.startswith('"')
    return (Edit(value.span, quoted(word) if had_quotes else written_word(word)),)
