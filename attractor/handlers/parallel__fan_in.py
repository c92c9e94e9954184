"""The node where branches meet: selects one branch, with whose files the run continues."""

from collections.abc import Sequence
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.journal.events import OUTCOME_ASSUMED
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure, success
from attractor.engine.seams import ModelAnswer, Parts, Stage
from attractor.engine.state.progress import LEFT_OUT
from attractor.handlers.codergen import write_prompt
from attractor.handlers.parallel import (
    ADOPTED,
    NO_ITEMS,
    BranchCandidate,
    best_of,
    describe,
    find_named,
    read_candidates,
)

_CHOOSE = (
    "Choose one of these candidates. End with its id alone on the last line, or report the id as "
    "preferred_label."
)


@dataclass(frozen=True)
class FanIn:
    """Selects the best branch, and adopts its files (attractor-spec 4.9, ruling R6)."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Select among the successful branches; without successful branches, fail."""
        if stage.context.get(ADOPTED):
            return success("No fork ran since the last fan-in: the files stay as they are")
        candidates = read_candidates(stage.context.get("parallel.results"))
        if not candidates and stage.context.get(NO_ITEMS):
            return success("There were no items")
        if not candidates:
            return failure("No parallel results to evaluate", FailureClass.PIPELINE)
        good = [candidate for candidate in candidates if candidate.is_good]
        if not good:
            return failure("all branches failed", FailureClass.TERMINAL)
        chosen = await self._choose(stage, good)
        if isinstance(chosen, Outcome):
            return chosen
        return await _take_over(stage, candidates, *chosen)

    async def _choose(
        self, stage: Stage, good: Sequence[BranchCandidate]
    ) -> tuple[BranchCandidate, Outcome] | Outcome:
        """Return the best candidate and the reason, or the failed outcome."""
        if not stage.node.prompt.strip():
            best = best_of(good)
            return best, Outcome(StageStatus.SUCCESS, notes=f"Selected best candidate: {best.id}")
        prompt = "\n\n".join([write_prompt(stage, self.parts.inputs), describe(good), _CHOOSE])
        stage.files.write("prompt.md", prompt)
        answer = await self.parts.backend.answer(stage, prompt)
        if isinstance(answer, ModelAnswer):
            stage.files.write("response.md", answer.text)
            answer = Outcome(StageStatus.SUCCESS, preferred_label=answer.text, usage=answer.usage)
        if not answer.status.is_success:
            return answer
        return _named(stage, good, answer)


def _named(
    stage: Stage, good: Sequence[BranchCandidate], outcome: Outcome
) -> tuple[BranchCandidate, Outcome]:
    """Return the candidate that an answer names, otherwise the best candidate (with an event)."""
    texts = (outcome.preferred_label, *outcome.suggested_next_ids, outcome.notes)
    named = next(filter(None, (find_named(good, text) for text in texts)), None)
    best = named or best_of(good)
    how = "" if named else ", by outcome and score, because the answer named no candidate"
    if named is None:
        stage.emit(OUTCOME_ASSUMED, reason=f"selected {best.id}{how}")
    outcome = replace(outcome, preferred_label="", suggested_next_ids=())
    return best, replace(outcome, notes=f"Selected best candidate: {best.id}{how}")


async def _take_over(
    stage: Stage, candidates: Sequence[BranchCandidate], best: BranchCandidate, said: Outcome
) -> Outcome:
    """Continue with the files of the selected branch, of all successful branches, or of none."""
    merge = stage.node.attributes.text("merge") or "winner"
    taken = {
        "winner": [best],
        "all": [candidate for candidate in candidates if candidate.is_good],
        "none": [],
    }.get(merge, [best])
    trees = [candidate.tree for candidate in taken if candidate.tree]
    if trees and (conflicts := await stage.workspace.adopt(trees, base=best.base)):
        paths = ", ".join(conflicts)
        reason = f"merge_conflict: branches changed the same lines of {paths}"
        return failure(reason, FailureClass.TERMINAL)
    left_out: list[Json] = [candidate.key for candidate in candidates if candidate not in taken]
    updates: dict[str, Json] = {
        **said.context_updates,
        "parallel.fan_in.best_id": best.id,
        "parallel.fan_in.best_outcome": best.outcome,
        LEFT_OUT: left_out,
        ADOPTED: True,
    }
    return replace(said, status=StageStatus.SUCCESS, context_updates=updates)


part = FanIn
