"""Writes questions and answers as JSON records and reads them back."""

from collections.abc import Mapping

from attractor.base.json import Json
from attractor.engine.asking import Answer, AnswerKind, Option, Question, QuestionKind, Within
from attractor.engine.fields import Fields


def question_to_record(question: Question) -> dict[str, Json]:
    """Return a question as the journal has it; what it does not say is left out."""
    return {
        "id": question.id,
        "text": question.text,
        "kind": question.kind.value,
        "options": [_option_to_record(one) for one in question.options],
        "stage": question.stage,
        "deadline": question.deadline,
        **_said(
            {
                "default": question.default,
                "timeout_seconds": question.timeout_seconds,
                "metadata": dict(question.metadata),
                "within": [_within_to_record(one) for one in question.within],
            }
        ),
    }


def question_from_record(fields: Fields) -> Question:
    """Read a question back."""
    return Question(
        id=fields.text("id"),
        text=fields.text("text"),
        kind=fields.word("kind", QuestionKind),
        options=tuple(_option_from_record(one) for one in fields.inners("options")),
        stage=fields.text("stage"),
        deadline=fields.text("deadline"),
        default=_text(fields, "default"),
        timeout_seconds=(fields.real("timeout_seconds") if fields.has("timeout_seconds") else None),
        metadata=fields.members("metadata") if fields.has("metadata") else {},
        within=within_from_record(fields),
    )


def within_from_record(fields: Fields) -> tuple[Within, ...]:
    """Read back in which branches a question is asked; an older record does not say."""
    if not fields.has("within"):
        return ()
    return tuple(_within_from_record(one) for one in fields.inners("within"))


def answer_to_record(answer: Answer) -> dict[str, Json]:
    """Return an answer as the journal has it; what it does not say is left out."""
    option = answer.selected_option
    return {
        "kind": answer.kind.value,
        "value": answer.value,
        "by": answer.by,
        **_said(
            {
                "selected_option": _option_to_record(option) if option else None,
                "text": answer.text,
            }
        ),
    }


def answer_from_record(fields: Fields) -> Answer:
    """Read an answer back."""
    return Answer(
        fields.word("kind", AnswerKind),
        fields.text("value"),
        fields.text("by"),
        _option_from_record(fields.inner("selected_option"))
        if fields.has("selected_option")
        else None,
        _text(fields, "text"),
    )


def _said(members: Mapping[str, Json]) -> dict[str, Json]:
    return {
        name: one for name, one in members.items() if one is not None and one not in ("", {}, [])
    }


def _text(fields: Fields, name: str) -> str:
    return fields.text(name) if fields.has(name) else ""


def _within_to_record(within: Within) -> dict[str, Json]:
    record: dict[str, Json] = {"branch": within.key, "name": within.name, "node": within.node}
    if not within.index:
        return record
    return {**record, "index": within.index, "count": within.count, "item": within.item}


def _within_from_record(fields: Fields) -> Within:
    key, name, node = fields.text("branch"), fields.text("name"), fields.text("node")
    if not fields.has("index"):
        return Within(key, name, node)
    item = fields.all().get("item")
    return Within(key, name, node, item, fields.number("index"), fields.number("count"))


def _option_to_record(option: Option) -> dict[str, Json]:
    return {"key": option.key, "label": option.label}


def _option_from_record(fields: Fields) -> Option:
    return Option(fields.text("key"), fields.text("label"))
