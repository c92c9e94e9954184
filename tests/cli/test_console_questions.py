"""Questions at a real terminal, answered there or from another terminal."""

import json
import re
import signal
import subprocess
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.plain_desk import PlainDesk
from tests.cli.running import ATTRACTOR
from tests.cli.terminals import Sitting, sit
from tests.counts import count
from tests.patience import PATIENCE_S, wait_until
from tests.prepared import run_prepared

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
GATE = f"""digraph gate {{ {ENDS}
    ask  [shape=hexagon, label="Ship it?", MORE]
    ship [shape=parallelogram, tool_command="echo ship >> done.txt"]
    drop [shape=parallelogram, tool_command="echo drop >> done.txt"]
    start -> ask
    ask -> ship [label="[S] Ship"]
    ask -> drop [label="[D] Drop"]
    ship -> exit; drop -> exit }}
"""
TWO = f"""digraph two {{ {ENDS}
    one [shape=hexagon, label="One?"]
    mid [shape=parallelogram, tool_command="MID"]
    two [shape=hexagon, label="Two?"]
    a [shape=parallelogram, tool_command="echo a >> done.txt"]
    b [shape=parallelogram, tool_command="echo b >> done.txt"]
    start -> one
    one -> mid [label="[G] Go"]
    one -> exit [label="[L] Leave"]
    mid -> two
    two -> a [label="[A] A"]
    two -> b [label="[B] B"]
    a -> exit; b -> exit }}
"""
BRANCHES = f"""digraph branches {{ {ENDS}
    fan   [shape=component]
    left  [shape=hexagon, label="Left?"]
    right [shape=hexagon, label="Right?"]
    l     [shape=parallelogram, tool_command="echo l >> done.txt"]
    r     [shape=parallelogram, tool_command="echo r >> done.txt"]
    join  [shape=tripleoctagon]
    start -> fan
    fan -> left;  left -> l  [label="[Y] Yes"]; left -> join  [label="[N] No"];  l -> join
    fan -> right; right -> r [label="[Y] Yes"]; right -> join [label="[N] No"]; r -> join
    join -> exit }}
"""
BESIDE = f"""digraph beside {{ {ENDS}
    fan   [shape=component]
    left  [shape=hexagon, label="Left?"]
    right [shape=parallelogram,
           tool_command="until test -f go; do sleep 0.05; done; echo r >> done.txt"]
    join  [shape=tripleoctagon]
    start -> fan
    fan -> left;  left -> join [label="[Y] Yes"]; left -> join [label="[N] No"]
    fan -> right -> join -> exit }}
"""
PARENT = f"""digraph parent {{ {ENDS}
    inner [type="pipeline", file="inner.dot"]
    start -> inner -> exit }}
"""


class Desk(PlainDesk):
    """A folder with a pipeline, and terminals for its commands."""

    @property
    def environ(self) -> Mapping[str, str]:
        return {**super().environ, "USER": "ann"}

    def gate(self, more: str = 'class="x"') -> None:
        self.write(GATE.replace("MORE", more))

    @contextmanager
    def sit(self, *words: str) -> Generator[Sitting]:
        with sit([ATTRACTOR, *words], cwd=self.folder, environ=self.environ) as sitting:
            yield sitting

    @contextmanager
    def sit_at_run(self, *words: str) -> Generator[Sitting]:
        with self.sit(*self.to_run(*words)) as sitting:
            yield sitting

    def pipe(self, typed: str | None, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the pipeline without a terminal: with a text as stdin, or with stdin closed."""
        command = self.to_run(*words)
        if typed:
            return run_prepared(command, folder=self.folder, variables=self.environ, typed=typed)
        shell = ["/bin/sh", "-c", 'exec "$0" "$@" <&-'] if typed is None else []
        return subprocess.run(
            [*shell, ATTRACTOR, *command],
            cwd=self.folder,
            env=self.environ,
            input=typed,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    @property
    def done(self) -> list[str]:
        file = self.folder / "done.txt"
        return file.read_text().split() if file.exists() else []

    def asked(self) -> list[str]:
        return [one["id"] for one in json.loads(self.do("answer", "latest", "--json").stdout)]

    def answers(self) -> list[dict[str, Any]]:
        """Return the answer of each interview."""
        return [one["data"]["answer"] for one in self.events("InterviewCompleted")]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.end()


def test_invalid_answers_are_asked_again(desk: Desk) -> None:
    desk.write(GATE.replace("Ship it?", "部署 größe 🐍?").replace("MORE", 'class="x"'))
    with desk.sit_at_run() as sitting:
        sitting.until("[?] 部署 größe 🐍?\n", "  [S] Ship\n", "  [D] Drop\n", "Select: ")
        for times, said in enumerate(["", "perhaps", "größe", "是", "x" * 2000], start=2):
            sitting.type(f"{said}\n")
            sitting.until_again("Select: ", times)
        assert "invalid choice 'perhaps': S ([S] Ship), D ([D] Drop)" in sitting.shown
        sitting.type("DROP\n")
        assert sitting.ends_with() == 0, sitting.shown
    assert desk.done == ["drop"]
    [answer] = desk.answers()
    assert (answer["value"], answer["by"], answer["text"]) == ("D", "console", "DROP")


def test_enter_takes_the_default_that_the_prompt_shows(desk: Desk) -> None:
    desk.gate('human.default_choice="drop", timeout="1h"')
    with desk.sit_at_run() as sitting:
        sitting.until("Select [D]: ", "then [D] Drop)")
        sitting.type("\n")
        assert sitting.ends_with() == 0, sitting.shown
    assert desk.done == ["drop"]


@pytest.mark.parametrize(
    ("more", "code", "done"),
    [
        ('human.default_choice="ship", timeout="300ms"', 0, ["ship"]),
        ('timeout="300ms", max_retries=0', 1, []),
    ],
)
def test_time_runs_out_at_a_terminal(desk: Desk, more: str, code: int, done: list[str]) -> None:
    desk.gate(more)
    with desk.sit_at_run() as sitting:
        sitting.until("Select", "the deadline has passed")
        assert sitting.ends_with() == code, sitting.shown
    assert desk.done == done
    assert len(desk.events("InterviewTimeout")) == 1


def test_end_of_input_parks_the_run(desk: Desk) -> None:
    desk.gate('human.default_choice="ship"')
    with desk.sit_at_run() as sitting:
        sitting.until("Select [S]: ")
        sitting.type("\x04")
        assert sitting.ends_with() == 3, sitting.shown
    assert (desk.done, desk.answers()) == ([], [])


@pytest.mark.parametrize(
    ("typed", "code", "done"),
    [("perhaps\nship\n", 0, ["ship"]), ("", 3, []), (None, 3, []), ("no\n" * 20, 1, [])],
)
def test_console_without_a_terminal_reads_lines(
    desk: Desk, typed: str | None, code: int, done: list[str]
) -> None:
    desk.gate()
    result = desk.pipe(typed, "--interviewer", "console")
    assert (result.returncode, desk.done) == (code, done), result.stderr
    assert "Traceback" not in result.stderr


def test_each_process_chooses_its_own_interviewer(desk: Desk) -> None:
    desk.gate()
    with desk.sit_at_run() as sitting:
        sitting.until("Select: ")
        sitting.interrupt()
        sitting.ends_with()
    resumed = desk.do("resume", "latest")
    assert resumed.returncode == 3, resumed.stderr
    assert desk.do("answer", "latest", "ship").returncode == 0
    assert desk.do("resume", "latest").returncode == 0
    assert (desk.done, [one["kind"] for one in desk.answers()]) == (["ship"], ["given"])


def test_explicit_interviewer_is_remembered(desk: Desk) -> None:
    desk.gate()
    assert desk.do(*desk.to_run("--interviewer", "park")).returncode == 3
    with desk.sit("resume", "latest") as sitting:
        assert sitting.ends_with() == 3, sitting.shown


def test_canceled_run_asks_nothing(desk: Desk) -> None:
    desk.gate()
    assert desk.do(*desk.to_run("--interviewer", "park")).returncode == 3
    assert desk.do("cancel", "latest").returncode == 0
    assert "The run has no open questions." in desk.do("answer", "latest").stdout
    refused = desk.do("answer", "latest", "ship")
    assert (refused.returncode, "no open question" in refused.stderr) == (4, True), refused.stderr
    assert "resume" not in desk.do("status", "latest").stdout
    assert desk.do("resume", "latest").returncode == 4


def test_answer_implies_the_queue(desk: Desk) -> None:
    desk.gate()
    refused = desk.do(*desk.to_run("--answer", "ship", "--interviewer", "park"))
    assert refused.returncode == 2
    assert "--answer cannot be combined with the interviewer park" in refused.stderr
    done = desk.do(*desk.to_run("--answer", "ship"))
    assert (done.returncode, desk.done) == (0, ["ship"]), done.stderr


def test_answer_from_another_terminal_ends_the_console_question(desk: Desk) -> None:
    desk.gate()
    with desk.sit_at_run() as sitting:
        sitting.until("Select: ")
        listed = desk.do("answer", "latest").stdout
        assert "ask@1.1: Ship it?" in listed
        sitting.type("shi")
        left = desk.do("answer", "latest", "drop", "--reason", "not on a Friday")
        assert left.returncode == 0, left.stderr
        sitting.until("answered: D")
        assert sitting.ends_with() == 0, sitting.shown
    assert desk.done == ["drop"]
    [action] = desk.events("OperatorAction")
    [answer] = desk.answers()
    assert (action["data"]["why"], answer["value"]) == ("not on a Friday", "D")
    assert answer["by"] == action["data"]["by"]


def test_typed_text_is_not_used_for_the_next_question(desk: Desk) -> None:
    desk.write(TWO.replace("MID", "until [ -e go ]; do sleep 0.05; done"))
    with desk.sit_at_run() as sitting:
        sitting.until("One?", "Select: ")
        assert desk.do("answer", "latest", "G").returncode == 0
        sitting.until("answered: G", "mid: started")
        sitting.type("b\nhalf")
        (desk.folder / "go").touch()
        sitting.until("before the question: b", "Two?")
        sitting.until_again("Select: ", 2)
        sitting.type("a\n")
        assert sitting.ends_with() == 0, sitting.shown
    assert desk.done == ["a"]


@pytest.mark.parametrize("trial", range(count(ci=3, full=40)))
def test_first_of_two_answers_wins(desk: Desk, trial: int) -> None:
    desk.gate()
    with desk.sit_at_run() as sitting:
        sitting.until("Select: ")
        other = desk.begin("answer", "latest", "drop")
        if trial % 2:
            other.wait(PATIENCE_S)
        sitting.type("ship\n")
        assert sitting.ends_with() == 0, sitting.shown
        other.wait(PATIENCE_S)
    [chosen] = desk.done
    actions = desk.events("OperatorAction")
    taken = [one for one in actions if one["data"]["is_accepted"]]
    assert [chosen] == (["drop"] if taken else ["ship"])
    [answer] = desk.answers()
    assert answer["value"] == chosen[0].upper()
    assert ("answered: D" in sitting.shown) == bool(taken)
    # The later answer was refused at once, or in the journal.
    assert taken or actions or other.returncode == 4


def test_question_interrupted_by_ctrl_c_can_be_answered(desk: Desk) -> None:
    desk.gate()
    with desk.sit_at_run() as sitting:
        sitting.until("Select: ")
        sitting.interrupt()
        assert sitting.ends_with() == 130, sitting.shown
        assert "continue with: attractor resume" in sitting.shown
    assert desk.asked() == ["ask@1.1"]
    assert desk.do("answer", "latest", "drop").returncode == 0
    assert "answered by" in desk.do("answer", "latest").stdout
    again = desk.do("answer", "latest", "ship")
    assert (again.returncode, "already answered ask@1.1: D" in again.stderr) == (4, True)
    assert desk.do("resume", "latest", "--no-evaluate").returncode == 0
    assert desk.done == ["drop"]


@pytest.mark.crash
def test_question_survives_a_kill(desk: Desk) -> None:
    desk.gate('timeout="1h"')
    with desk.sit_at_run() as sitting:
        sitting.until("Select: ")
        sitting.kill()
    assert desk.asked() == ["ask@1.1"]
    with desk.sit("resume", "latest", "--no-evaluate") as sitting:
        sitting.until("Select: ")
        sitting.type("s\n")
        assert sitting.ends_with() == 0, sitting.shown
    assert desk.done == ["ship"]
    first, second = desk.events("QuestionAsked")
    # The question was asked again, with its remaining time.
    assert first["data"]["question"]["id"] == second["data"]["question"]["id"]


def test_each_open_question_can_be_selected(desk: Desk) -> None:
    desk.write(BRANCHES)
    assert desk.run("--interviewer", "park").returncode == 3
    assert desk.asked() == ["left@1.1", "right@1.1"]
    listed = desk.do("answer", "latest").stdout
    assert "--question left@1.1 Y\n" in listed
    assert "--question right@1.1 N" in listed
    unnamed = desk.do("answer", "latest", "Y")
    assert unnamed.returncode == 2
    assert "--question left@1.1 or right@1.1" in unnamed.stderr
    [only] = json.loads(desk.do("answer", "latest", "--question", "right", "--json").stdout)
    assert only["choices"][1]["command"].endswith(" --question right@1.1 N")
    assert desk.do("answer", "latest", "--question", "right", "N").returncode == 0
    assert desk.asked() == ["left@1.1"]
    # Only one question is open, so the answer needs no question id.
    assert desk.do("answer", "latest", "l").returncode == 0
    assert desk.do("resume", "latest", "--no-evaluate").returncode == 0
    assert desk.done == ["l"]


def test_the_questions_of_branches_are_answered_at_the_console_and_elsewhere(desk: Desk) -> None:
    desk.write(BRANCHES)
    with desk.sit_at_run() as sitting:
        sitting.until("Left?", "Select: ")
        assert desk.asked() == ["left@1.1", "right@1.1"]
        assert desk.do("answer", "latest", "--question", "right", "Y").returncode == 0
        sitting.until("[right]", "answered: Y")
        # The question that is still open keeps its prompt.
        sitting.until_again("Select: ", 2)
        sitting.type("n\n")
        assert sitting.ends_with() == 0, sitting.shown
        assert "Right?" not in sitting.shown
    assert desk.done == ["r"]


def test_no_event_line_interrupts_a_question(desk: Desk) -> None:
    desk.write(BESIDE)
    with desk.sit_at_run() as sitting:
        shown = sitting.until("Left?", "Select: ")
        assert shown.index("left: started") < shown.index("[?] Left?")
        assert shown.endswith("Select: ")
        (desk.folder / "go").touch()
        wait_until(lambda: desk.done == ["r"] and desk.events("ParallelBranchCompleted"))
        sitting.type("n\n")
        assert sitting.ends_with() == 0, sitting.shown
    answered = sitting.shown.partition("Select: ")[2]
    assert answered.startswith("n\n")
    assert "right: success" in answered


def test_a_child_is_answered_from_elsewhere_while_the_console_asks(desk: Desk) -> None:
    desk.write(PARENT)
    desk.gate()
    (desk.folder / "pipeline.dot").rename(desk.folder / "inner.dot")
    desk.write(PARENT)
    with desk.sit_at_run() as sitting:
        sitting.until("Select: ")
        assert desk.asked() == ["inner@1.1/ask@1.1"]
        assert desk.do("answer", "latest", "ship").returncode == 0
        sitting.until("answered: S")
        assert sitting.ends_with() == 0, sitting.shown
    assert desk.done == ["ship"]
    [answer] = desk.events("InterviewCompleted", within="runs/*/children/inner@1.1")
    assert answer["data"]["answer"]["value"] == "S"


def test_recorded_answers_are_replayed(desk: Desk) -> None:
    desk.write(TWO.replace("MID", "true"))
    with desk.sit_at_run("--interviewer", "recording:console:mine.jsonl") as sitting:
        sitting.until("One?", "Select: ")
        sitting.type("go\n")
        sitting.until("Two?")
        sitting.until_again("Select: ", 2)
        # Answers from another terminal are recorded too.
        assert desk.do("answer", "latest", "b").returncode == 0
        assert sitting.ends_with() == 0, sitting.shown
    recorded = [json.loads(one) for one in (desk.folder / "mine.jsonl").read_text().splitlines()]
    assert [one["question"]["id"] for one in recorded] == ["one@1.1", "two@1.1"]
    assert [one["answer"]["value"] for one in recorded] == ["G", "B"]
    again = desk.run("--interviewer", "replay:mine.jsonl", "--run-dir", "again")
    assert again.returncode == 0, again.stderr
    assert desk.done == ["b", "b"]
    by = [one["data"]["answer"]["by"] for one in desk.events("InterviewCompleted", within="again")]
    assert by[0] == "replay of console"
    assert by[1] == f"replay of {recorded[1]['answer']['by']}"


def test_mismatched_recording_is_refused(desk: Desk) -> None:
    desk.gate()
    assert desk.run("--interviewer", "recording:auto_approve").returncode == 0
    [file] = desk.folder.glob("runs/*/answers.jsonl")
    desk.write(GATE.replace("Ship it?", "Ship it now?").replace("MORE", 'class="x"'))
    words = ["--interviewer", f"replay:{file}", "--run-dir", "again"]
    refused = desk.run(*words)
    assert refused.returncode == 4
    assert "has no answer to ask@1.1: its text was 'Ship it?'" in refused.stderr
    assert desk.events("InterviewCompleted", "StageFailed", within="again") == []
    assert desk.do("answer", "again", "drop").returncode == 0
    again = desk.do("resume", "again", "--no-evaluate", "--interviewer", "park")
    assert again.returncode == 0, again.stderr
    assert desk.done == ["ship", "drop"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("replay", "has no recording"),
        ("replay:nowhere.jsonl", "nowhere.jsonl"),
        ("replay:pipeline.dot", "is not a recording of answers"),
        ("recording:nobody", "unknown interviewer 'nobody'"),
        ("park:console", "takes no options"),
        ("callback", "has no function"),
        ("nobody", "unknown interviewer 'nobody'"),
    ],
)
def test_invalid_interviewer_is_refused_before_the_run(desk: Desk, name: str, message: str) -> None:
    desk.gate()
    refused = desk.run("--interviewer", name)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert not (desk.folder / "runs").exists()


def test_interrupted_question_ends_its_line(desk: Desk) -> None:
    desk.gate()
    with desk.sit_at_run() as sitting:
        sitting.until("Select: ")
        sitting.process.send_signal(signal.SIGTERM)
        assert sitting.ends_with() == 130
    assert re.search(r"^[\d:]+  the process was stopped$", sitting.shown, re.M), sitting.shown
