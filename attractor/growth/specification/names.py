"""Names of nodes: short, and each word in one script, so that no look-alike letter hides in it."""

import re
import unicodedata
from collections.abc import Iterator

LONGEST_NAME = 200

_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")


def faults_of_name(name: str) -> Iterator[str]:
    """Yield the faults of a name."""
    if len(name) > LONGEST_NAME:
        yield f"{len(name)} characters; the limit is {LONGEST_NAME}"
        return
    for word in _WORD.findall(name):
        names = {letter: unicodedata.name(letter, "") for letter in word}
        if sum(any(one.startswith(script) for one in names.values()) for script in _SCRIPTS) > 1:
            odd = [f"{letter!r} is {one}" for letter, one in names.items() if "LATIN" not in one]
            yield f"the word {word!r} mixes scripts: {', '.join(odd)}"
