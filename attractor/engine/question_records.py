"""Writes questions and answers as JSON records and reads them back."""

from attractor.base.canonical import Json
from attractor.engine.fields import Fields
from attractor.engine.seams import Answer, AnswerKind, Option, Question, QuestionKind


def question_to_record(question: Question) -> dict[str, Json]:
    """Return a question as the checkpoint has it."""
    return {
        "id": question.id,
        "text": question.text,
        "kind": question.kind.value,
        "options": [{"key": one.key, "label": one.label} for one in question.options],
        "stage": question.stage,
        "deadline": question.deadline,
    }


def question_from_record(fields: Fields) -> Question:
    """Read a question back."""
    return Question(
        id=fields.text("id"),
        text=fields.text("text"),
        kind=fields.word("kind", QuestionKind),
        options=tuple(
            Option(one.text("key"), one.text("label")) for one in fields.inners("options")
        ),
        stage=fields.text("stage"),
        deadline=fields.text("deadline"),
    )


def answer_to_record(answer: Answer) -> dict[str, Json]:
    """Return an answer as the checkpoint has it."""
    return {"kind": answer.kind.value, "value": answer.value, "by": answer.by}


def answer_from_record(fields: Fields) -> Answer:
    """Read an answer back."""
    return Answer(fields.word("kind", AnswerKind), fields.text("value"), fields.text("by"))
