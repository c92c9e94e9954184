"""Brings the state of the running app into the shape of a new release, and proves it (G11, G12).

Everything happens on copies; the running release is only read.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.files import remove_tree
from attractor.base.json import Json
from attractor.growth.deployment.app_program import AppProgram
from attractor.growth.deployment.release import Release
from attractor.growth.migration.state import State, state_text
from attractor.growth.migration.transforms import Migration


@dataclass(frozen=True)
class Moved:
    """A state in its new shape, what it cannot hold, and records with values nobody wrote."""

    state: State
    residue: Json = None
    defaulted: Sequence[str] = ()


Move = Callable[[State, Path], Awaitable[Moved]]
"""The change of the state from one release to the next, with a folder for copies."""


def forward(migration: Migration) -> Move:
    """Return the move of a migration, which proves that a roll-back restores every byte."""

    async def move(state: State, work: Path) -> Moved:
        moved, residue = migration.up(state)
        if migration.is_reversible:
            require_same(state, migration.down(moved, residue).state, "a roll-back")
        return Moved(moved, residue)

    return move


async def transfer(
    old: Release | None, new: Release, move: Move, environ: Mapping[str, str]
) -> Moved:
    """Write the moved state of the old release into the new one, whose app has to be healthy."""
    work = new.folder / "moving"
    state: State = {}
    work.mkdir()
    if old:
        source = AppProgram(old.tree, old.state, environ)
        state = await source.read_state(work / "before")
    moved = await move(state, work)
    app = AppProgram(new.tree, new.state, environ)
    await app.write_state(moved.state, work / "after")
    require_same(moved.state, await app.read_state(work / "imported"), "the new app")
    await app.call("health")
    # Erased records must not survive in a copy.
    remove_tree(work)
    return moved


def require_same(wanted: State, found: State, by: str) -> None:
    """Refuse a state that differs in any byte; an entity without records may be missing."""
    for entity in sorted({*wanted, *found}):
        texts = [state_text(one.get(entity, ())) for one in (wanted, found)]
        if texts[0] != texts[1]:
            raise StateDiffers(f"{by} does not keep the records of {entity}")


class StateDiffers(VerificationError):
    """A changed state that does not contain every record."""

    hint = "the running app was not changed; plan the change anew"
