"""Finds out which of the questions of a run somebody means, or says how to name one of them.

The command that answers a question, for whoever is to type it.

Checks the answers that people are said to give, before a walk finds out.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from attractor.base.errors import Refused, UnknownName, UsageError, suggest
from attractor.engine.errors import NothingAsked
from attractor.engine.questions.answers import is_late, read_answer, require_answer
from attractor.engine.questions.description import natural
from attractor.engine.questions.edge_labels import normalize_label
from attractor.engine.questions.question import Question
from attractor.handlers.choices import Choice, find_choices, match_choice
from attractor.language.graph.graph import Edge, Graph
from attractor.language.source.syntax_tree import Attributes
from attractor.language.source.text import visible

MOST_NAMED = 3
"""How many of many questions a refusal names."""


def named(questions: Sequence[Question], name: str, *, where: str) -> tuple[Question, ...]:
    """Return the questions that go by an id or a node; an id that is whole comes before those."""
    exact = tuple(one for one in questions if one.id == name)
    found = exact or tuple(one for one in questions if name in ("", one.stage))
    if not found:
        hint = f"it asks: {_names(questions, ', ')}" if questions else where
        raise NothingAsked(f"the run asks nothing by the name {name!r}", hint=hint)
    return found


def pick(questions: Sequence[Question], name: str, *, where: str, listing: str) -> Question:
    """Return the question that is meant: by its id or its node, or the only one."""
    found = pick_all(questions, name, where=where)
    if len(found) == 1:
        return found[0]
    raise UsageError(
        f"the run asks {len(found)} questions",
        hint=f"name one: --question {_names(found, ' or ')}; "
        f"all of them, with their commands: {listing}",
    )


def pick_all(questions: Sequence[Question], name: str, *, where: str) -> tuple[Question, ...]:
    """Return the questions that are meant: by an id or a node, or all of them."""
    if not questions:
        raise NothingAsked("the run asks nothing", hint=where)
    return named(questions, name, where=where)


def read_choice(choice: str, question: Question, now: datetime, *, go_on: str) -> str:
    """Return what somebody's words mean for a question, or refuse them; so too when it is late."""
    if is_late(question, now):
        raise Refused(f"the time of {question.id} was up at {question.deadline}", hint=go_on)
    return require_answer(choice, question).value


def read_choices(
    choice: str, questions: Sequence[Question], now: datetime, *, go_on: str, listing: str
) -> list[str]:
    """Return what the same words mean for each of several questions; all take them, or none is."""
    lacking = [one for one in questions if not choice.strip() or read_answer(choice, one) is None]
    if lacking:
        names = _names(lacking, ", ")
        raise UsageError(
            f"{choice!r} is no answer to {len(lacking)} of {len(questions)} questions: {names}",
            hint=f"nothing was answered; what each of them asks: {listing}",
        )
    return [read_choice(choice, one, now, go_on=go_on) for one in questions]


def _names(questions: Sequence[Question], between: str) -> str:
    """Return the first names of questions, and how many more there are."""
    ids = sorted((one.id for one in questions), key=natural)
    more = f" ({len(ids) - MOST_NAMED} more)" if len(ids) > MOST_NAMED else ""
    return f"{between.join(ids[:MOST_NAMED])}{more}"


def answer_command(reference: str, said: str, *, question: str = "") -> str:
    """Return what a person types to say something to a run; the question is named where given."""
    which = ["--question", question] if question else []
    # What begins with a dash is no option.
    words = ["--", said] if said.startswith("-") else [said] if said else []
    return visible(f"attractor answer {reference} {shlex.join([*which, *words])}").rstrip()


_GATE = "wait.human"


def check_answers(graph: Graph, answers: Mapping[str, Sequence[str]]) -> None:
    """Refuse answers at nodes that ask nobody, and those that are no choice there at any time."""
    for node, said in answers.items():
        if node not in graph.nodes:
            raise UnknownName("node", node, graph.nodes)
        if graph.nodes[node].type != _GATE:
            raise UsageError(f"node {node!r} asks nobody", hint="give it an outcome instead")
        choices = list(_choices(graph, node))
        for answer in said:
            if not any(match_choice(answer, [one]) for one in choices):
                raise _none_of(node, answer, choices)


def _choices(graph: Graph, node: str) -> Iterator[Choice]:
    """Yield whatever may be chosen at a gate: which ways are open shows when it is reached."""
    open_ = tuple(_without_condition(edge) for edge in graph.outgoing(node))
    yield from find_choices(replace(graph, edges=open_), node)
    for edge in open_:
        # Alone each has the key that it has where those with the same one are closed.
        yield from find_choices(replace(graph, edges=(edge,)), node)


def _without_condition(edge: Edge) -> Edge:
    kept = {key: one for key, one in edge.attributes.by_key.items() if key != "condition"}
    return Edge(edge.source, edge.target, Attributes(kept), edge.span)


def _none_of(node: str, answer: str, choices: Sequence[Choice]) -> UsageError:
    labels = list(dict.fromkeys(one.label for one in choices))
    near = suggest(answer, labels) or suggest(answer.lower(), map(normalize_label, labels))
    hint = f"did you mean {near}?" if near else f"its choices: {', '.join(labels) or 'none'}"
    return UsageError(f"node {node!r} has no choice {answer!r}", hint=hint)
