"""Plays train scenarios on the current files; their verdicts are the outcome."""

from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure, success
from attractor.engine.routing.edge_selection import TOOL_OUTPUT
from attractor.engine.seams import Parts, PlayedTrain, Stage, TrainChoice
from attractor.engine.truncation import keep_ends

OUTPUT_FILE = "scenarios.txt"
PASSED, FAILED = "scenarios.passed", "scenarios.failed"


@dataclass(frozen=True)
class Scenarios:
    """Plays train scenarios of a suite, each once and in a sandbox of its own.

    Agents may know train scenarios, so their output is recorded in full. Holdouts are never played.
    """

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Play the scenarios one after another, and succeed if all are satisfied."""
        if self.parts.play_train is None:
            return failure("this run cannot play scenarios", FailureClass.PIPELINE)
        attributes = stage.node.attributes
        tags, ids = (
            tuple(word.strip() for word in attributes.text(name).split(",") if word.strip())
            for name in ("tags", "ids")
        )
        choice = TrainChoice(attributes.text("suite").strip(), tags, ids)
        tree = await stage.workspace.snapshot(stage.id)
        played: list[PlayedTrain] = []
        try:
            async for trial in self.parts.play_train(stage.workspace, tree, choice):
                played.append(trial)
                scenario, satisfied = trial.scenario, trial.satisfied
                stage.emit("TrainScenarioPlayed", scenario=scenario, satisfied=satisfied)
                stage.files.write(OUTPUT_FILE, "\n".join(each.text for each in played))
        except UsageError as mistake:
            hint = f" ({mistake.hint})" if mistake.hint else ""
            return failure(f"{stage.node.id}: {mistake.message}{hint}", FailureClass.PIPELINE)
        return _judge(played)


def _judge(played: list[PlayedTrain]) -> Outcome:
    failed = [trial.scenario for trial in played if not trial.satisfied]
    passed = len(played) - len(failed)
    notes = f"{passed} of {len(played)} train scenarios satisfied"
    updates: dict[str, Json] = {
        PASSED: passed,
        FAILED: len(failed),
        TOOL_OUTPUT: keep_ends("\n".join(trial.text for trial in played)),
    }
    if not failed:
        return replace(success(notes), context_updates=updates)
    reason = f"{notes}; failed: {', '.join(failed)}"
    if passed:
        partial = replace(success(reason), status=StageStatus.PARTIAL_SUCCESS)
        return replace(partial, context_updates=updates)
    return replace(failure(reason, FailureClass.VERDICT), context_updates=updates)


part = Scenarios
