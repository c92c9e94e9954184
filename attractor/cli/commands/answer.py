"""Answer a question that a run asks."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option, reason_option
from attractor.cli.output.streams import show, show_result
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.orders import continue_actor_of, orders_to, show_receipt, show_receipts
from attractor.cli.runs.questions import questions_text
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.setup import opened_of
from attractor.cli.runs.walk import Watcher, walk
from attractor.engine.run_folder.layout import RunDirectory
from attractor.factory.operations.resume import resume_run
from attractor.records.lookup import reference_of
from attractor.records.open_work import question_records


@click.command()
@run_argument()
@click.argument("words", nargs=-1, metavar="[CHOICE [WORDS]]")
@click.option("--question", default="", help="Answer the question with this id or node.")
@click.option("--all", "is_for_all", is_flag=True, help="Answer all open questions with CHOICE.")
@reason_option("Record the reason for the answer.")
@click.option("--resume", "resumes", is_flag=True, help="Then continue the run, unless it is live.")
@json_option
@click.pass_obj
def answer(
    invocation: Invocation,
    reference: str,
    words: tuple[str, ...],
    question: str,
    is_for_all: bool,
    reason: str,
    resumes: bool,
    as_json: bool,
) -> ExitCode:
    """Answer a question that a run asks.

    RUN is a run id, a unique prefix of a run id, a run directory, or 'latest'. CHOICE is the key,
    the label or the target node of a choice, or the text for a free-text question. Without CHOICE,
    list the open questions, with the command for each answer. The answer is recorded in the run: a
    live run continues immediately, a stopped run continues with 'attractor resume'. An answer that
    matches no choice is refused. Whether an agent may make a tool call is answered by 'allow',
    'deny WORDS' for the agent, 'always', or 'edit COMMAND', and only by a person: at a terminal, on
    a page, or with a token. With --all, CHOICE must match a choice of every open question.
    With --resume and --json, the answer, each event of the run and the result are lines of JSON.
    """
    choice = " ".join(words) if words else None
    for flag, is_set in (("--resume", resumes), ("--all", is_for_all)):
        if is_set and choice is None:
            hint = f"attractor answer {reference} CHOICE {flag}"
            raise UsageError(f"{flag} requires CHOICE", hint=hint)
    orders = orders_to(invocation, reference)
    name = reference_of(orders.root, invocation.configuration.settings.runs_dir)
    if choice is not None:
        if is_for_all:
            receipts = orders.answer_all(choice, question=question, why=reason)
            code = show_receipts(receipts, as_json=as_json, is_line=resumes)
        else:
            receipts = [orders.answer(choice, question=question, why=reason)]
            code = show_receipt(receipts[0], as_json=as_json, is_line=resumes)
        return _go_on(invocation, orders.root, resumes, as_json) if receipts[0].is_taken else code
    asked = orders.questions(question)
    shown = questions_text(asked, {} if question else orders.answered(), name)
    return show_result(question_records(asked, name), shown, as_json=as_json)


def _go_on(invocation: Invocation, root: Path, resumes: bool, as_json: bool) -> ExitCode:
    """Continue a run that has no process, or print the command to continue the run."""
    if RunDirectory(root).elsewhere.exists():
        # Its pool continues it.
        return ExitCode.DONE
    opened = opened_of(invocation)
    if actor := continue_actor_of(root, opened):
        if not as_json:
            show(f"the actor {actor} continues")
        return ExitCode.DONE
    if not resumes:
        if not as_json:
            name = reference_of(root, invocation.configuration.settings.runs_dir)
            show(f"continue with: attractor resume {name}")
        return ExitCode.DONE
    watcher = Watcher(invocation, root, as_json=as_json)
    opened = opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    return show_end(walk(resume_run(root, opened), watcher), opened.project, as_json=as_json)


part = answer
