"""Finds what a text says twice of the same thing, so that what was said first is lost."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attractor.language.graph import Repeat
from attractor.language.values import Attribute


def repeated(attributes: Sequence[Attribute], node: str = "") -> Sequence[Repeat]:
    """Return what one list says twice."""
    if len(attributes) < 2 or len({one.key for one in attributes}) == len(attributes):
        return ()
    before: dict[str, Attribute] = {}
    repeats: list[Repeat] = []
    for attribute in attributes:
        if attribute.key in before:
            repeats.append(Repeat(before[attribute.key], attribute, node))
        before[attribute.key] = attribute
    return repeats


def changed(
    before: Mapping[str, Attribute], attributes: Iterable[Attribute], node: str = ""
) -> Iterator[Repeat]:
    """Yield what an earlier statement said otherwise."""
    for attribute in attributes if before else ():
        lost = before.get(attribute.key)
        if lost is not None and lost.value != attribute.value:
            yield Repeat(lost, attribute, node)
