import json
from pathlib import Path

from attractor.engine.outcome import StageStatus, Usage
from attractor.engine.questions.question import EnclosingBranch, Option, Question, QuestionKind
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER

ASKED = Question(
    "gate@1.1",
    "Ship it?",
    QuestionKind.MULTIPLE_CHOICE,
    (Option("y", "Yes"), Option("n", "No")),
    "gate",
    timeout_seconds=5,
    metadata={"targets": {"y": ["ship"]}},
    within=(EnclosingBranch("b", "left", item={"a": 1}),),
)
RESULT = RunResult(
    run_id="01J",
    directory=Path("/runs/01J"),
    status=AWAITING_ANSWER,
    outcome=StageStatus.SUCCESS,
    reason="parked",
    completed=("plan", "gate"),
    usage=Usage(1, 2, 0.5),
    question=ASKED,
    questions=(ASKED,),
    context={"plan.result": {"a": [1, None]}},
)


def test_a_result_is_read_back_from_its_record() -> None:
    record = json.loads(json.dumps(RESULT.to_dict()))
    again = RunResult.from_dict(record)
    assert again == RESULT
    assert again.exit_code == RESULT.exit_code
