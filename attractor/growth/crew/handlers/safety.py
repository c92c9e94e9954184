"""Checks the identity by rule, then asks the safety agent; its approval alone is not enough."""

from collections.abc import Sequence
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, failure, success
from attractor.engine.seams import Parts, Stage
from attractor.growth.crew.app_tree import AppTree, open_tree
from attractor.growth.crew.contract import FAULTS, ask_agent, fails_if_invalid, refused, work_of
from attractor.growth.crew.roles.safety import Answer
from attractor.growth.identity import SafetyVerdict, find_breaches, find_objections
from attractor.growth.specification.files import NODES, read_spec
from attractor.growth.specification.graph import SpecGraph
from attractor.workspaces.folders import scratch_folder

AGENT = "safety"
VERDICT = "safety.verdict"


@dataclass(frozen=True)
class Safety:
    """Refuses a breach that a rule finds, whatever the agent says; an agent's veto stands."""

    asks_model = True

    parts: Parts

    @fails_if_invalid
    async def execute(self, stage: Stage) -> Outcome:
        """Check by rule, then ask."""
        async with open_tree(stage) as tree:
            before = await spec_at_start(stage) or tree.graph
            breaches = breaches_of(before, tree)
            if breaches:
                # No body can fix a specification.
                broken = failure(f"identity: {breaches[0]}", FailureClass.TERMINAL)
                return replace(broken, context_updates={VERDICT: "breach"})
            given = await ask_agent(stage, self.parts.backend, AGENT, work_of(stage, tree))
            if isinstance(given, Outcome):
                return given
            answer = given.answer
            assert isinstance(answer, Answer)
            objections = find_objections((), SafetyVerdict(answer.verdict), answer.reasons)
            if objections:
                return replace(
                    refused("veto of safety", objections, **{VERDICT: "veto"}),
                    usage=given.usage,
                )
            updates: dict[str, Json] = {FAULTS: list[Json](), VERDICT: "approve"}
            return replace(success("no breach, safety approves", **updates), usage=given.usage)


def breaches_of(before: SpecGraph, tree: AppTree) -> Sequence[str]:
    """Return the breaches of the identity in a tree."""
    found = find_breaches(before, tree.graph, tree.development.identity)
    return [f"{one.line!r}: {one.message}" for one in found]


async def spec_at_start(stage: Stage) -> SpecGraph | None:
    """Return the specification in the tree that the run started from, if it has one."""
    base = stage.workspace.base.candidate
    if not base:
        return None
    with scratch_folder() as folder:
        await stage.workspace.export(base, folder)
        return read_spec(folder) if (folder / NODES).is_dir() else None


part = Safety
