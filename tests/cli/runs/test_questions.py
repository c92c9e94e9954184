from dataclasses import replace

from attractor.cli.runs.questions import questions_text
from attractor.engine.questions.question import Answer, AnswerKind, Option, Question, QuestionKind
from attractor.records.open_work import question_records

GATE = Question(
    "gate@1.1",
    "Deploy?",
    QuestionKind.MULTIPLE_CHOICE,
    (Option("Y", "[Y] Yes, deploy"), Option("N", "No")),
    "gate",
)


def test_commands_of_questions() -> None:
    assert questions_text([GATE], {}, "01AB") == (
        "gate@1.1: Deploy?\n"
        "  [Y] Yes, deploy   attractor answer 01AB Y\n"
        "  [N] No            attractor answer 01AB N"
    )
    other = replace(GATE, id="größe x@1.1", options=(Option("-", "- minus"),))
    shown = questions_text([GATE, other], {}, "01AB")
    assert "attractor answer 01AB --question gate@1.1 Y\n" in shown
    assert shown.endswith("attractor answer 01AB --question 'größe x@1.1' -- -")
    sure = replace(GATE, kind=QuestionKind.YES_NO, options=())
    assert "attractor answer 01AB yes\n" in questions_text([sure], {}, "01AB")
    text = replace(GATE, kind=QuestionKind.FREEFORM, options=())
    assert questions_text([text], {}, "01AB").endswith("free text:   attractor answer 01AB WORDS")


def test_texts_of_questions() -> None:
    late = replace(GATE, deadline="2026-01-01T12:00:00+00:00", default="N")
    first = questions_text([late], {}, "01AB").splitlines()[0]
    assert first.startswith("gate@1.1: Deploy?   (until 2026-01-01 ")
    assert first.endswith(", then N)")
    given = Answer(AnswerKind.GIVEN, "Y", "ann")
    assert questions_text([], {"gate@1.1": given}, "01AB") == (
        "gate@1.1: answered by ann (unverified): Y\ncontinue with: attractor resume 01AB"
    )
    assert "go on with" not in questions_text([GATE], {"other@1.1": given}, "01AB")
    assert questions_text([], {}, "01AB") == "The run has no open questions."
    bad = replace(GATE, text="\x1b[2J", options=(Option("Y\x1b", "\x1b]0;x\x07"),))
    assert "\x1b" not in questions_text([bad], {}, "01AB")


def test_json_commands_name_the_question() -> None:
    [record] = question_records([GATE], "01AB")
    assert record["id"] == "gate@1.1"
    command = "attractor answer 01AB --question gate@1.1 Y"
    assert record["choices"] == [
        {"key": "Y", "label": "[Y] Yes, deploy", "command": command},
        {"key": "N", "label": "No", "command": command[:-1] + "N"},
    ]
