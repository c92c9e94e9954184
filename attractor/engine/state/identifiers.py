"""The identifiers of stages, branches and trees in the journal."""

from attractor.base.dataclasses import dataclass

TreeId = str
"""The git id of a tree."""


def stage_id(node: str, visit: int, attempt: int) -> str:
    """Return the id of an attempt, as in questions and for backends."""
    return f"{node}@{visit}.{attempt}"


@dataclass(frozen=True)
class StageReference:
    """The attempt and the branch that an event belongs to."""

    node: str | None = None
    visit: int | None = None
    attempt: int | None = None
    branch: str | None = None


NO_PLACE = StageReference()


MAIN = ""
"""The key of the walk from the start, and of its workspace."""


# The separators of keys, which may also occur in the id of a node.
_ENCODED = str.maketrans({one: f"%{ord(one):02X}" for one in "%/@"})


def visit_key(parent: str, node: str, visit: int) -> str:
    """Return the prefix of the keys of all branches of a visit."""
    place = f"{node.translate(_ENCODED)}@{visit}."
    return f"{parent}/{place}" if parent else place


def attempt_key(parent: str, node: str, visit: int, attempt: int) -> str:
    """Return the prefix of the keys of all branches of an attempt; the names follow.

    So each branch of a run has a unique key.
    """
    return f"{visit_key(parent, node, visit)}{attempt}/"


def branch_key(attempt: str, name: str) -> str:
    """Return the key of a branch: the prefix of its attempt and its name."""
    return attempt + name.translate(_ENCODED)
