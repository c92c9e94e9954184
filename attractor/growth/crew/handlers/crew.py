"""Asks an agent of the crew by its contract, and writes the files of a valid answer."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, failure, success
from attractor.engine.seams import Parts, Stage
from attractor.growth.apps.skeleton import write_app
from attractor.growth.crew.app_tree import open_tree, write_changes
from attractor.growth.crew.contract import (
    Work,
    ask_agent,
    fails_if_invalid,
    record_of,
    roles,
    work_of,
)
from attractor.growth.specification.files import write_file


@dataclass(frozen=True)
class Crew:
    """Asks the agent that the attribute `agent` names."""

    asks_model = True

    parts: Parts

    @fails_if_invalid
    async def execute(self, stage: Stage) -> Outcome:
        """Ask, check the answer, write files and leave the answer in the context."""
        name = stage.node.attributes.text("agent").strip()
        if name not in roles():
            known = ", ".join(roles())
            reason = f"{stage.node.id}: unknown role {name!r} of the crew (agents: {known})"
            return failure(reason, FailureClass.PIPELINE)
        role = roles()[name]
        async with open_tree(stage) as tree:
            work = work_of(stage, tree)
            if not role.has_work(role.gather(work)):
                return success(f"nothing to do for {name}")
            given = await ask_agent(stage, self.parts.backend, name, work)
            if isinstance(given, Outcome):
                return given
            if proposed := role.proposes(work, given.answer):
                for file, text in proposed.items():
                    stage.files.write(file, text)
                reason = f"{name} proposes {', '.join(proposed)}: a person decides, and plans it"
                return replace(failure(reason, FailureClass.VERDICT), usage=given.usage)
            files = role.files(work, given.answer)
            written = await write_changes(stage, tree, partial(_write, work, files))
            updates: dict[str, Json] = {f"{name}.answer": dict(record_of(given.answer))}
            notes = f"{name} answered, {written}"
            return replace(
                success(notes, **updates, **role.updates(given.answer)), usage=given.usage
            )


def _write(work: Work, files: Mapping[str, str], folder: Path) -> None:
    """Write the files of an answer, and record their hashes."""
    for path, text in files.items():
        write_file(folder / path, text.encode())
    if files:
        write_app(work.tree.graph, folder)


part = Crew
