"""What a child does not ask any more is not asked at its parent either."""

import json
from pathlib import Path

from attractor import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER
from tests.spec.runs import between, events, project_in, run

INNER = between(
    'fan   [shape=component, join_policy="first_success"]',
    'left  [shape=hexagon, label="Left?"]',
    'right [shape=parallelogram, tool_command="sleep 0.3"]',
    "meet  [shape=tripleoctagon]",
    'later [shape=hexagon, label="Later?"]',
    "start -> fan; fan -> left; fan -> right",
    'left -> meet [label="[Y] Yes"]',
    "right -> meet; meet -> later",
    'later -> exit [label="[Y] Yes"]',
)
OUTER = between('inner [type=pipeline, file="inner.dot"]', "start -> inner -> exit")


def parked(folder: Path, text: str = OUTER) -> RunResult:
    project = project_in(folder)
    (project / "inner.dot").write_text(INNER)
    (project / "middle.dot").write_text(OUTER)
    result = run(folder, text, interviewer="park")
    assert result.standing == AWAITING_ANSWER
    return result


def asked(result: RunResult) -> list[str]:
    record = json.loads((result.directory / "run.json").read_text())
    return [one["id"] for one in record["questions"]]


def test_a_question_of_a_branch_that_was_given_up_is_taken_back(tmp_path: Path) -> None:
    result = parked(tmp_path)
    first = events(result, "QuestionAsked")[0].data["question"]
    assert isinstance(first, dict)
    assert first["id"] == "inner@1.1/left@1.1"
    assert asked(result) == ["inner@1.1/later@1.1"]


def test_it_is_taken_back_however_deep_the_child_is(tmp_path: Path) -> None:
    text = between('outer [type=pipeline, file="middle.dot"]', "start -> outer -> exit")
    assert asked(parked(tmp_path, text)) == ["outer@1.1/inner@1.1/later@1.1"]
