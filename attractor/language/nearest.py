"""Guesses which of many names was meant, within a bound of work."""

from collections.abc import Callable, Iterable
from functools import cache

from attractor.base.errors import suggest

# To compare two names takes about as long as to read a line of the pipeline.
_COMPARISONS = 20_000


def suggester(known: Iterable[str]) -> Callable[[str], str]:
    """Return a function that says `did you mean ...?`; it falls silent when it has said enough.

    The names are gathered when it is first asked: where nothing is wrong nobody asks.
    """
    answers: dict[str, str] = {}

    @cache
    def names() -> list[str]:
        return sorted(set(known))

    def ask(word: str) -> str:
        if word not in answers and len(answers) < max(1, _COMPARISONS // max(1, len(names()))):
            near = suggest(word, names())
            answers[word] = f"did you mean {near}?" if near else ""
        return answers.get(word, "")

    return ask
