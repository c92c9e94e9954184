"""The identifiers of stages, branches and trees in the journal."""

from attractor.base.dataclasses import dataclass

TreeId = str
"""The git id of a tree."""


def stage_id(node: str, visit: int, attempt: int) -> str:
    """Return what an attempt goes by, in a question and towards a backend."""
    return f"{node}@{visit}.{attempt}"


@dataclass(frozen=True)
class StageReference:
    """Which attempt at which node an event is about, and in which branch, if it is one."""

    node: str | None = None
    visit: int | None = None
    attempt: int | None = None
    branch: str | None = None


NO_PLACE = StageReference()


MAIN = ""
"""The key of the walk from the start, and of the workspace it works in."""


# What keys are put together with, and may stand in the id of a node too.
_ENCODED = str.maketrans({one: f"%{ord(one):02X}" for one in "%/@"})


def visit_key(parent: str, node: str, visit: int) -> str:
    """Return what the keys of all branches of a visit begin with."""
    place = f"{node.translate(_ENCODED)}@{visit}."
    return f"{parent}/{place}" if parent else place


def attempt_key(parent: str, node: str, visit: int, attempt: int) -> str:
    """Return what the keys of all branches of an attempt begin with; their names follow.

    So no other branch of the run has the same key.
    """
    return f"{visit_key(parent, node, visit)}{attempt}/"


def branch_key(attempt: str, name: str) -> str:
    """Return the key of a branch, by that of its attempt and by its name."""
    return attempt + name.translate(_ENCODED)
