"""Brings the state of the running app into the shape of a new release, and proves it (G11, G12).

Everything happens on copies; the running release is only read.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.request import urlopen

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, VerificationError
from attractor.base.files import read_regular, write_whole
from attractor.base.json import Json
from attractor.environments.selection import EnvironmentChoice
from attractor.growth.apps.access import PEOPLE, SIGN_IN
from attractor.growth.apps.process import export_state, import_state, running_app
from attractor.growth.deployment.release import Release
from attractor.growth.errors import AppFailed
from attractor.growth.migration import Migration, State, state_text, unfit_records


@dataclass(frozen=True)
class Moved:
    """A state in its new shape, its residue, and records with default values."""

    state: State
    residue: Json = None
    defaulted: Sequence[str] = ()


Move = Callable[[State], Awaitable[Moved]]
"""The change of the state from one release to the next."""

PATIENCE_S = 30.0


def forward(migration: Migration, *, again: str = "") -> Move:
    """Return the move of a migration, which proves that a roll-back restores every byte.

    It refuses records that do not fit, also those written since the simulation; `again` is the
    command that deploys the corrected ones.
    """

    async def move(state: State) -> Moved:
        unfit = [str(one) for one in migration.misfits(state) if not one.instead]
        if unfit:
            hint = again and f"start the app, correct them in it, then: {again}"
            raise RecordsDoNotFit(unfit_records(unfit), hint=hint)
        moved, residue = migration.up(state)
        if migration.is_reversible:
            require_same(state, migration.down(moved, residue).state, "a roll-back")
        return Moved(moved, residue)

    return move


async def transfer(
    old: Release | None,
    new: Release,
    move: Move,
    sandbox: EnvironmentChoice,
    variables: Mapping[str, str],
) -> Moved:
    """Write the moved state of the old release into the new one, whose app has to be healthy.

    Without an old release nothing is imported: the app begins with the records that it makes
    itself. It has the variables of its services, but calls none here.
    """
    moved = await move(await export_state(old.tree, old.state, sandbox=sandbox) if old else {})
    if old:
        _carry_people(old, new)
        await import_state(new.tree, new.state, moved.state, sandbox=sandbox)
    written = await export_state(new.tree, new.state, sandbox=sandbox)
    if old:
        # Slow to import, and the supervisor needs only the check of health.
        from attractor.growth.deployment.draft_store import carry_feedback

        carry_feedback(old, new)
        require_same(moved.state, written, "the new app")
    running = running_app(new.tree, new.state, sandbox=sandbox, variables=variables)
    async with running as app:
        await asyncio.to_thread(require_healthy, app.url)
    return moved


def _carry_people(old: Release, new: Release) -> None:
    """Copy the people of an app with roles: they are no records, and no roll-back takes them back.

    The app rests, and its new links and removals wait for the lock of the deployment.
    """
    for name in (PEOPLE, SIGN_IN):
        people = old.state / name
        # Another file of the operator would become readable for the app.
        if people.is_symlink():
            raise Refused(f"{people} is a symbolic link", hint="remove it, and invite people again")
        if people.exists():
            write_whole(new.state / name, read_regular(people), mode=0o600)


def require_healthy(url: str, *, within: float = PATIENCE_S) -> None:
    """Refuse an app that does not say that it is healthy."""
    try:
        with urlopen(f"{url}/health", timeout=within) as answer:
            is_healthy = json.load(answer)["ok"] is True
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as cause:
        raise AppFailed(f"{url}/health does not answer: {cause}") from cause
    if not is_healthy:
        raise AppFailed(f"{url}/health: the app is not healthy")


def require_same(wanted: State, found: State, by: str) -> None:
    """Refuse a state that differs in any byte; an entity without records may be missing."""
    for entity in sorted({*wanted, *found}):
        texts = [state_text(one.get(entity, ())) for one in (wanted, found)]
        if texts[0] != texts[1]:
            raise StateDiffers(f"{by} does not keep the records of {entity}")


class RecordsDoNotFit(Refused):
    """Records of the running app without a place in the new shape of the state."""

    hint = "correct these records in the app, and deploy again"


class StateDiffers(VerificationError):
    """A changed state that does not contain every record."""

    hint = "the running app was not changed; plan the change anew"
