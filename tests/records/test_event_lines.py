"""Events as lines for people."""

from dataclasses import replace

from attractor.base.json import Json
from attractor.records.event_lines import describe_event, describe_logged
from tests.cli.runs.live.run_events import RunEvents
from tests.tables import table

SETUP: dict[str, Json] = {"step": "setup", "command": "make deps"}
PATCH: dict[str, Json] = {"path": "result.patch", "tree": "t"}
PAUSE: dict[str, Json] = {"action": "pause", "by": "alex", "why": "lunch", "is_accepted": True}
ANSWER: dict[str, Json] = {"action": "answer", "by": "alex", "question": "gate@1", "value": "Y"}
BY_HAND: Json = {"kind": "given", "value": "Y", "by": "alex", "proof": "terminal"}
SETTLED: dict[str, Json] = {"question": "gate@1", "answer": BY_HAND}
STEER: dict[str, Json] = {"action": "steer", "by": "alex", "value": "hey"}
TRIALS: dict[str, Json] = {"finished": 3, "trials": 12, "seconds_left": 90}
NOBODY = "refused: no running stage accepts messages"
EVENTS: list[tuple[str, dict[str, Json], str]] = [
    ("NotificationCompleted", {"messenger": "url"}, "gate: notification sent by url"),
    (
        "NotificationFailed",
        {"messenger": "command", "error": "exit code 3: no\x1b[2J"},
        "gate: notification failed by command: exit code 3: no\ufffd[2J",
    ),
    (
        "BootStep",
        {**SETUP, "how": "run", "exit_code": 0, "seconds": 2.5},
        "setup make deps: exit status 0 (2.5 s)",
    ),
    ("BootStep", {**SETUP, "how": "kept", "seconds": 1}, "setup make deps: cached result (1 s)"),
    ("BootStep", {"step": "environment"}, ""),
    ("OperatorAction", PAUSE, "pause by alex: lunch"),
    ("OperatorAction", ANSWER, "answer gate@1: Y by alex (not recorded) refused"),
    (
        "OperatorAction",
        {**ANSWER, "proof": "mcp 1"},
        "answer gate@1: Y by alex (mcp 1) refused",
    ),
    ("QuestionSettled", SETTLED, "answer gate@1: Y by alex (terminal)"),
    ("QuestionSettled", {**SETTLED, "answer": {"kind": "timeout", "value": "Y", "by": ""}}, ""),
    ("OperatorAction", {"action": "steer", "by": "", "why": NOBODY}, f"steer refused: {NOBODY}"),
    ("OperatorAction", {**STEER, "question": "nope"}, 'steer nope: "hey" by alex refused'),
    ("OperatorAction", {**STEER, "why": "late", "is_accepted": True}, 'steer "hey" by alex: late'),
    ("RunPatchWritten", PATCH, "all changes are in result.patch"),
    (
        "RunPatchWritten",
        {**PATCH, "redacted": True},
        "all changes are in result.patch, without the values of secrets",
    ),
    (
        "TrialCompleted",
        {"satisfied": True, "progress": TRIALS},
        "trial 3 of 12: satisfied, about 1m 30s left",
    ),
    ("TrialTroubled", {"culprit": "twin"}, "trial: trouble (culprit: twin), not a result"),
    ("TrialUnjudged", {"culprit": "model"}, "trial: unjudged: the judge failed"),
    ("SuiteSetupStarted", {}, "setup of the suite started"),
    ("SuiteSetupCompleted", {}, "SuiteSetupCompleted: its data are invalid"),
    ("SuiteSetupCompleted", {"failure": ""}, "setup of the suite ended"),
    ("SuiteSetupCompleted", {"failure": "no make"}, "setup of the suite failed: no make"),
    (
        "TrialsSent",
        {"name": "r.evaluation.1.1"},
        "trials: sent to the pool evaluate; attractor fleet why r.evaluation.1.1",
    ),
    ("TrialCut", {"culprit": "machinery"}, "trial: cut, without a result"),
    (
        "TrialsReplayed",
        {"by": "ann", "rationale": "power cut"},
        "cut trials played again by ann: power cut",
    ),
    ("RunForked", {"parent": "01A", "node": "b", "visit": 2}, "forked from run 01A before b@2"),
    ("RunRestarting", {"run_id": "01B", "node": "test"}, "restarting at test as run 01B"),
    (
        "RunRestarted",
        {"parent": "01A", "node": "test", "restart": 1},
        "restart 1 at test of run 01A",
    ),
]


@table(("kind", "data", "line"), EVENTS)
def test_event_is_a_line(kind: str, data: dict[str, Json], line: str) -> None:
    node = "gate" if kind.startswith("Notification") else ""
    event = replace(RunEvents().tell(kind, node), data=data)
    assert describe_event(event)[10:] == line


@table(
    ("kind", "data", "line"),
    [
        ("ASSISTANT_TEXT_END", {"text": "I look\n at it."}, 'plan: "I look at it."'),
        ("ASSISTANT_TEXT_END", {"text": ""}, ""),
        (
            "TOOL_CALL_START",
            {"tool_name": "shell", "arguments": {"command": "make\x1b[2J test"}},
            "plan: shell: $ make\ufffd[2J test",
        ),
        ("TOOL_CALL_START", {"tool_name": "list", "arguments": {}}, "plan: list"),
        (
            "AgentChosen",
            {"agent": "planner", "permissions": "read-only"},
            "plan: agent planner (read-only)",
        ),
        ("TOOL_CALL_END", {"tool_name": "shell", "output": "done"}, ""),
        ("TOOL_CALL_END", {"tool_name": "shell", "error": "no"}, "plan: shell failed: no"),
        ("StageStarted", {}, "plan: started"),
    ],
)
def test_log_shows_tool_calls_and_texts_of_agents_shortened(
    kind: str, data: dict[str, Json], line: str
) -> None:
    event = replace(RunEvents().tell(kind, "plan"), data=data)
    assert describe_logged(event)[10:] == line
    long = replace(event, data={**data, "text": "a" * 9000})
    assert len(describe_logged(long)) < 300
    if "_" in kind:
        assert describe_event(event) == ""
