"""Guesses which of many names was meant, within a bound of work."""

from collections.abc import Callable, Iterable

from attractor.base.suggestions import suggest

# To compare two names takes about as long as to read a line of the pipeline.
_COMPARISONS = 20_000


def suggester(known: Iterable[str]) -> Callable[[str], str]:
    """Return a function that says `did you mean ...?`; it falls silent when it has said enough."""
    names = sorted(set(known))
    answers: dict[str, str] = {}
    allowed = max(1, _COMPARISONS // max(1, len(names)))

    def ask(word: str) -> str:
        if word not in answers and len(answers) < allowed:
            near = suggest(word, names)
            answers[word] = f"did you mean {near}?" if near else ""
        return answers.get(word, "")

    return ask
