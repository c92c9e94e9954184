"""Names of nodes: short, and as plain as all texts."""

from collections.abc import Iterator

from attractor.growth.plain_text import faults_of_text

LONGEST_NAME = 200


def faults_of_name(name: str) -> Iterator[str]:
    """Yield the faults of a name."""
    if len(name) > LONGEST_NAME:
        yield f"{len(name)} characters; the limit is {LONGEST_NAME}"
        return
    yield from faults_of_text(name)
