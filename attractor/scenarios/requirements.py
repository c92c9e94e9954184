"""The requirements of a suite: the sentences of a specification that its scenarios prove."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from heapq import nlargest
from itertools import islice
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from attractor.base.dataclasses import dataclass
from attractor.config.tables import Name, RelativePath, StrictTable

LONGEST_SENTENCE = 2000
_LIKE = 0.6
"""From this similarity on, a sentence is a changed one and no other one."""
_NEAR, _MOST_COMPARED = 5, 200
"""How many sentences are compared by letters, of those that have words in common."""

_CODE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^ {0,3}#{1,6}(\s|$)|^ {0,3}(=+|-{2,})\s*$")
_ITEM = re.compile(r"^\s*([-*+]|\d{1,9}[.)])\s+(\[[ xX]\]\s+)?")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]*_]*\s+(?=[\"'(\[*_`]*[A-Z0-9])")


def _is_sentence(text: str) -> str:
    if not folded(text):
        raise ValueError("write the sentence as the specification has it")
    return text


class Sentence(StrictTable):
    """A sentence of the specification."""

    id: Name = Field(description="the name that scenarios give in `proves`")
    sentence: Annotated[str, AfterValidator(_is_sentence)] = Field(
        max_length=LONGEST_SENTENCE,
        description="the sentence as the specification has it; line breaks do not matter",
    )
    at: str = Field(default="", description="the heading above it, for people")


class RequirementList(StrictTable):
    """The content of `requirements.toml`."""

    spec: RelativePath = Field(
        default="SPEC.md",
        description="the file of the specification, below the folder of the project",
    )
    requirement: tuple[Sentence, ...] = Field(default=(), description="its sentences")

    @cached_property
    def by_id(self) -> dict[str, Sentence]:
        """The requirements by their ids."""
        return {one.id: one for one in self.requirement}


class RequirementSettings(StrictTable):
    """What the gate demands of the requirements."""

    proved: Literal["any", "all"] = Field(
        default="any",
        description='`"all"`: the rule `requirements` fails unless each sentence is proved',
    )


def folded(text: str) -> str:
    """Return a text with single blanks, for comparisons."""
    return " ".join(text.split())


def sentences_of(specification: str) -> Iterator[str]:
    """Yield the sentences of a text in Markdown; headings and blocks of code have none.

    An item of a list begins a sentence, and so does a cell of a table.
    """
    block: list[str] = []
    for line in _without_code(specification):
        is_row, is_heading = line.lstrip().startswith("|"), _HEADING.match(line)
        if not line.strip() or is_heading or is_row or _ITEM.match(line):
            yield from _split(block)
            block = []
        if is_row:
            for cell in line.strip().strip("|").split("|"):
                yield from _split([cell])
        elif not is_heading:
            block.append(_ITEM.sub("", line, count=1).lstrip("> "))
    yield from _split(block)


def _without_code(text: str) -> Iterator[str]:
    """Yield the lines of a text, and an empty line for each block of code."""
    fence = ""
    for line in text.splitlines():
        found = _CODE.match(line)
        if not (fence or found):
            yield line
        elif found and not fence:
            fence = found[1]
            yield ""
        elif found and found[1].startswith(fence):
            fence = ""


def _split(lines: Sequence[str]) -> Iterator[str]:
    text = folded(" ".join(lines))
    yield from (one for one in _SENTENCE_END.split(text) if any(map(str.isalnum, one)))


@dataclass(frozen=True)
class MovedSentence:
    """A requirement whose sentence the specification lacks; `now` is a similar one, or ""."""

    id: str
    sentence: str
    now: str = ""


def moved_since(listed: RequirementList, specification: str) -> list[MovedSentence]:
    """Return the requirements whose sentences a specification lacks."""
    sentences = [*sentences_of(specification)]
    # Without the marks of items and quotes, too.
    text = f"{folded(specification)}\n{' '.join(sentences)}"
    gone = [one for one in listed.requirement if folded(one.sentence) not in text]
    if not gone:
        return []
    taken = {folded(one.sentence) for one in listed.requirement}
    free: dict[str, dict[str, None]] = {}
    for one in dict.fromkeys(sentences):
        for word in () if one in taken else {*one.casefold().split()}:
            free.setdefault(word, {})[one] = None
    moved: list[MovedSentence] = []
    for one in gone:
        now = _most_like(folded(one.sentence), free)
        # A sentence takes the place of one other only.
        for word in {*now.casefold().split()}:
            free[word].pop(now)
        moved.append(MovedSentence(one.id, one.sentence, now))
    return moved


def _most_like(sentence: str, others: Mapping[str, Mapping[str, None]]) -> str:
    """Return the sentence that is most like another one, or ""; `others` are those with a word."""
    words = {*sentence.casefold().split()}
    # A comparison of all pairs is slow: rare words lead to the few with most words in common.
    found: Counter[str] = Counter()
    for word in sorted(words & others.keys(), key=lambda one: len(others[one])):
        found.update(islice(others[word], _MOST_COMPARED))
    near = nlargest(_NEAR, found, key=found.__getitem__)
    return next(iter(get_close_matches(sentence, near, n=1, cutoff=_LIKE)), "")
