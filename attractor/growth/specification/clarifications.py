"""Open questions of a specification: `[NEEDS CLARIFICATION: question]` in a field (ruling G4)."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, texts_in
from attractor.growth.errors import InvalidSpec
from attractor.growth.plain_text import require_plain
from attractor.growth.specification.difference import ChangeKind, compare_specs
from attractor.growth.specification.graph import ROOT, Author, SpecGraph, SpecNode

_ANSWERED = (ChangeKind.RENAMED, ChangeKind.CHANGED)
_QUESTION = re.compile(r"\[NEEDS CLARIFICATION:((?:(?!\[NEEDS CLARIFICATION:)[^\]])*+)\]")


@dataclass(frozen=True)
class Clarification:
    """An open question about a node."""

    node: str
    question: str


def question_text(question: str) -> str:
    """Return a question as it is written in a field."""
    return f"[NEEDS CLARIFICATION: {question}]"


def without_questions(text: str) -> str:
    """Return a text without its open questions."""
    return _QUESTION.sub("", text).strip()


def questions_of(node: SpecNode) -> Sequence[str]:
    """Return the open questions of a node, in order."""
    texts = texts_in(dict(node.fields))
    return [found.strip() for text in texts for found in _QUESTION.findall(text)]


def clarifications_of(graph: SpecGraph) -> Sequence[Clarification]:
    """Return all open questions, in the order of the specification."""
    return [
        Clarification(node.id, question)
        for node in graph.below(ROOT)
        for question in questions_of(node)
    ]


def answer_question(graph: SpecGraph, words: str, answer: str) -> tuple[SpecGraph, Clarification]:
    """Put an answer in the place of the first open question of a node; return both."""
    node = graph.find(words)
    if not (questions := questions_of(node)):
        open_nodes = dict.fromkeys(clarification.node for clarification in clarifications_of(graph))
        hint = f"open questions: {', '.join(open_nodes)}" if open_nodes else "all are answered"
        raise InvalidSpec(f"{node.id} has no open question", hint=hint)
    if not answer.strip():
        raise InvalidSpec("the answer is empty", hint=f"answer: {questions[0]}")
    require_plain(answer, "the answer", InvalidSpec)
    is_answered = False

    def put(text: str) -> str:
        nonlocal is_answered
        if is_answered or not _QUESTION.search(text):
            return text
        is_answered = True
        return _QUESTION.sub(lambda _: answer.strip(), text, count=1)

    fields = {key: _mapped(value, put) for key, value in node.fields.items()}
    provenance = replace(node.provenance, by=Author.PERSON)
    answered = replace(node, fields=fields, provenance=provenance)
    return graph.replace(answered), Clarification(node.id, questions[0])


def adds_only_desires(before: SpecGraph, after: SpecGraph) -> bool:
    """Return whether a specification only adds desires to another one, and answers questions."""
    return all(
        change.node_kind == "desire"
        if change.kind is ChangeKind.ADDED
        else change.kind in _ANSWERED and bool(questions_of(before[change.id]))
        for change in compare_specs(before, after)
    )


def _mapped(value: Json, put: Callable[[str], str]) -> Json:
    if isinstance(value, list):
        return [_mapped(one, put) for one in value]
    return put(value) if isinstance(value, str) else value
