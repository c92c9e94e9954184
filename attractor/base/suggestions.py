"""Finds the word somebody probably meant."""

from collections.abc import Iterable


def suggest(word: str, known: Iterable[str]) -> str:
    """Return the known word nearest to a mistyped one, or nothing when none is near."""
    candidates = [name for name in known if abs(len(word) - len(name)) <= _most(word, name)]
    distance = {
        name: _distance(word.casefold(), name.casefold(), _most(word, name)) for name in candidates
    }
    near = [name for name in candidates if distance[name] <= _most(word, name)]
    return min(near, key=lambda name: (distance[name], name), default="")


def _most(word: str, name: str) -> int:
    """Return how many letters of two words that are near may differ."""
    return (max(len(word), len(name)) + 1) // 3


def _distance(one: str, other: str, most: int) -> int:
    """Count the letters to add, drop, change or swap with a neighbour; give up above the most."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            steps = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], wanted):
                steps = min(steps, earlier[j - 2] + 1)
            row.append(steps)
        # A swap goes on from the row before the last.
        if min(row) > most and min(before) > most:
            break
    return row[-1]
