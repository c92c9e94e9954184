"""Draft a pipeline from words with a model."""

import asyncio
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode, Refused, UsageError
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.setup import chosen_model_options, project_of
from attractor.engine.truncation import one_line
from attractor.language.graph.graph import Graph, Node
from attractor.language.source.text import visible

if TYPE_CHECKING:
    from attractor.projects.drafting import Draft, Drafter

_LONGEST_TASK = 70


@click.command()
@click.argument("task", nargs=-1, required=True, metavar="TASK")
@chosen_model_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save as this file (default: pipelines/NAME.dot, with a name from the model).",
)
@click.option("--yes", is_flag=True, help="Save the draft without a question.")
@json_option
@click.pass_obj
def new(
    invocation: Invocation,
    task: tuple[str, ...],
    model: str,
    provider: str,
    output: Path | None,
    yes: bool,
    as_json: bool,
) -> ExitCode:
    """Draft a pipeline from words with a model.

    TASK describes the work, such as "add a health endpoint". The model gets the text of 'attractor
    skill' and drafts a pipeline. The draft is validated, and errors and warnings go back to the
    model, in at most four rounds. Then the draft is shown and drawn, and you save it, drop it, or
    describe a change in words. An existing file is only overwritten after a question. Exit with 1
    if the draft is still invalid after the last round.
    """
    # Imported here, because only this command asks a model and loads all rules.
    from attractor.projects.drafting import PIPELINES, Drafter, choose_drafter, free_place

    if not (words := " ".join(task).strip()):
        raise UsageError("the task is empty", hint="describe the pipeline in words")
    _require_consent(invocation, output, yes=yes)
    project = project_of(invocation)
    choice = asyncio.run(choose_drafter(model, provider, project))
    _tell(f"Model: {choice.model} of {choice.provider}")
    beside = output or project.root / PIPELINES / "draft.dot"
    drafter = Drafter(project, choice, beside, _tell)
    draft, kept = _draft(drafter, words)
    place = output or _shown(invocation, free_place(project.root, draft.name))
    while not yes and (words := _ask(place)) != "y":
        if words == "n":
            return _end(drafter, draft, kept, None, as_json=as_json)
        draft, kept = _draft(drafter, words)
        place = output or _shown(invocation, free_place(project.root, draft.name))
    draft.save(place)
    return _end(drafter, draft, kept, place, as_json=as_json)


def _shown(invocation: Invocation, file: Path) -> Path:
    """Return a file relative to the current folder, if it is below."""
    folder = invocation.folder
    return file.relative_to(folder) if file.is_relative_to(folder) else file


def _require_consent(invocation: Invocation, output: Path | None, *, yes: bool) -> None:
    """Ask before a file will be overwritten; without a terminal, refuse."""
    if not yes and not invocation.has_terminal:
        hint = "pass --yes to save the draft without a question"
        raise UsageError("there is no terminal to show the draft on", hint=hint)
    if output is None or not output.exists():
        return
    exists = f"{output} already exists"
    if not invocation.has_terminal:
        raise Refused(exists, hint="name another file, or remove this one")
    if not click.confirm(f"{exists}. Overwrite it with the draft?", err=True):
        raise Refused(f"{exists}, and is left alone", hint="name another file")


def _draft(drafter: "Drafter", words: str) -> "tuple[Draft, Mapping[str, Path]]":
    """Let the model draft; show and keep the draft, and refuse an invalid one."""
    from attractor.projects.drafting import keep_draft, require_valid

    draft = asyncio.run(drafter.draft(words))
    kept = asyncio.run(keep_draft(draft, drafter.project))
    for line in draft.fault_lines():
        _tell(line)
    graph = require_valid(draft, kept["dot"], drafter.spent)
    _tell(f"\n{_outline(graph)}\n\ndrawing: {kept['svg']}")
    return draft, kept


def _outline(graph: Graph) -> str:
    """Return the nodes with their types and tasks, and the edges, as text for people."""
    # Imported here, because it loads the simulation.
    from attractor.cli.output.simulation import edge_text

    ids, types = (
        max(len(getattr(node, name)) for node in graph.nodes.values()) for name in ("id", "type")
    )
    nodes = [
        visible(f"  {node.id:{ids}}  {node.type:{types}}  {_task_of(node)}").rstrip()
        for node in graph.nodes.values()
    ]
    edges = [f"  {edge_text(edge)}" for edge in graph.edges]
    title = f"{graph.name}: {graph.goal}" if graph.goal else graph.name
    return "\n".join([visible(one_line(title, 2 * _LONGEST_TASK)), *nodes, "", *edges])


def _task_of(node: Node) -> str:
    """Return the beginning of a node's command, prompt or caption."""
    caption = node.label if node.label != node.id else ""
    return one_line(node.attributes.text("tool_command") or node.prompt or caption, _LONGEST_TASK)


def _ask(place: Path) -> str:
    """Return y, n, or a wish for a change."""
    question = f"Save as {place}? [y, n, or describe a change]"
    words = click.prompt(question, err=True, prompt_suffix=" ").strip()
    return words[0].lower() if words.lower() in ("y", "yes", "n", "no") else words


def _end(
    drafter: "Drafter",
    draft: "Draft",
    kept: Mapping[str, Path],
    saved: Path | None,
    *,
    as_json: bool,
) -> ExitCode:
    if as_json:
        record = {
            "file": str(saved.absolute()) if saved else None,
            "draft": str(kept["dot"]),
            "drawing": str(kept["svg"]),
            "pipeline": draft.name,
            "warnings": len(draft.faults),
            "model": drafter.choice.model,
            "provider": drafter.choice.provider,
            **drafter.spent.to_record(),
        }
        show_json(record)
        return ExitCode.DONE
    if saved:
        word = shlex.quote(str(saved))
        show(f"saved {saved}\nnext: attractor simulate {word}\n      attractor run {word}")
    else:
        show(f"not saved; the draft is {kept['dot']}")
    _tell(f"used: {drafter.spent} in {number_of(drafter.spent.rounds, 'round')}")
    return ExitCode.DONE


def _tell(sentence: str) -> None:
    show(sentence, err=True)


part = new
