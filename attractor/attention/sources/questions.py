"""Questions of runs and of actors, a row each."""

from collections.abc import Iterator, Mapping
from functools import partial

from attractor.attention.evidence import evidence_of_question
from attractor.attention.rows import Act, AttentionRow, Choice, Field, Settler, row_of_run
from attractor.attention.source import Look, Source
from attractor.base.dataclasses import changed
from attractor.engine.questions.question import ApprovalChoice, Question, QuestionKind
from attractor.factory.project import ProjectFolder
from attractor.records.diagnosis.needs import need_of_question
from attractor.records.summary import RunOverview
from attractor.worlds.status import ActorStatus, ActorView


def _rows(look: Look) -> Iterator[AttentionRow]:
    for view in look.views:
        if view.run and view.status is ActorStatus.ASKING:
            yield from _rows_of_run(view.run, look.project, view)
    for run in look.runs:
        if run.run_id not in look.runs_of_actors:
            yield from _rows_of_run(run, look.project)


def _rows_of_run(
    run: RunOverview, project: ProjectFolder, actor: ActorView | None = None
) -> Iterator[AttentionRow]:
    for question in run.questions:
        yield changed(
            row_of_run(project, run, need_of_question(run.run_id, question)),
            name=actor.name if actor else run.run_id,
            questions=[question],
            actor=actor,
            choices=[*choices_of(question)],
            act=_answer(run.run_id, question.id),
            look=partial(evidence_of_question, project.runs_dir / run.run_id, question),
        )


def choices_of(question: Question) -> Iterator[Choice]:
    """Yield the answers that a person can give."""
    if question.kind is QuestionKind.APPROVAL:
        yield from _choices_of_approval(question)
        return
    options = [(one.key, one.label) for one in question.options]
    if not options and question.kind in (QuestionKind.YES_NO, QuestionKind.CONFIRMATION):
        options = [("yes", "yes"), ("no", "no")]
    for number, (key, label) in enumerate(options, 1):
        yield Choice("answer", label, str(number) if number < 10 else "", values={"answer": key})
    typed = Field("answer", f"Answer to: {question.text}", True)
    yield Choice("answer", "answer in words", "a", [typed], is_free=True)


_WORDS = {
    ApprovalChoice.DENY: "Words for the agent",
    ApprovalChoice.EDIT: "The command to run instead",
}


def _choices_of_approval(question: Question) -> Iterator[Choice]:
    """Yield what a person can say about a tool call, with words where they matter."""
    for number, option in enumerate(question.options, 1):
        asked = _WORDS.get(ApprovalChoice(option.key))
        is_needed = option.key == ApprovalChoice.EDIT
        fields = [Field("words", asked, is_needed)] if asked else []
        yield Choice("answer", option.label, str(number), fields, {"answer": option.key})


def _answer(run_id: str, question: str) -> Act:
    def act(choice: str, fields: Mapping[str, str], at: Settler) -> str:
        words = " ".join(filter(None, [fields["answer"], fields.get("words", "").strip()]))
        return at.answer(run_id, question, words)

    return act


part = Source(_rows)
