"""What a person needs to choose: facts, what was said, the last outputs, and the changes.

It is read when a row is shown, because it costs more than all rows together.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.engine.questions.question import Question, describe_asked_call
from attractor.engine.stage.patch import clean_patch
from attractor.factory.dimensions import DimensionRecords
from attractor.factory.open_project import OpenProject
from attractor.pipeline.workspace.diffs import Diff, parse_diff, read_run_diff
from attractor.records.evidence import StageWords, words_before
from attractor.records.stage_output import failed_output
from attractor.records.timeline import read_timeline
from attractor.worlds.status import ActorView


@dataclass(frozen=True)
class Evidence:
    """What a person needs to choose: `task` and `said` are Markdown of people and agents."""

    task: str = ""
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    said: str = ""
    outputs: Sequence[StageWords] = ()
    changes: Diff = Diff()

    def to_record(self) -> dict[str, Json]:
        """Return the evidence as JSON."""
        outputs: list[Json] = [
            {"attempt": one.attempt, "outcome": one.outcome, "lines": [*one.lines]}
            for one in self.outputs
        ]
        changes = self.changes.to_record()
        words: dict[str, Json] = {"task": self.task, "facts": {**self.facts}, "said": self.said}
        return {**words, "outputs": outputs, "changes": changes}


def changes_of_run(root: Path, opened: OpenProject) -> Diff:
    """Return the changes of a run so far; a remark says why there are none to show."""
    try:
        return asyncio.run(read_run_diff(root, opened.project))
    except AttractorError as fault:
        return Diff(remarks=fault.in_one_line)


def changes_of_actor(view: ActorView, run_id: str, opened: OpenProject) -> Diff:
    """Return the changes in the folder of an actor; without one, those of a run."""
    dimensions = {one.name: one for one in DimensionRecords.of(opened).all()}
    dimension = dimensions.get(view.history.actor.dimension)
    if dimension is None or not dimension.folder:
        return changes_of_run(opened.project.runs_dir / run_id, opened) if run_id else Diff()
    # Imported here, because a list shows no changes.
    from attractor.worlds.dimensions import diff_dimension

    try:
        content = asyncio.run(diff_dimension(opened, dimension))
    except AttractorError as fault:
        return Diff(remarks=fault.in_one_line)
    return parse_diff(clean_patch(content, opened.project.redactor))


def evidence_of_question(root: Path, question: Question, opened: OpenProject) -> Evidence:
    """Return the evidence for a question of a run; it can be answered without the last words."""
    try:
        outputs = words_before(root, question)
    except AttractorError:
        outputs = ()
    # As code of Markdown.
    said = "\n".join(f"    {line}" for line in describe_asked_call(question))
    return Evidence(said=said, outputs=outputs, changes=changes_of_run(root, opened))


def failure_of(root: Path) -> Sequence[StageWords]:
    """Return the last output of the commands at which a run failed or stopped."""
    try:
        timeline = read_timeline(root)
        return [StageWords(one.stage, "", "failed", one.lines) for one in failed_output(timeline)]
    except AttractorError:
        # The row says what is damaged.
        return ()
