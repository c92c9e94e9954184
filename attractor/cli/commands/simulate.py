"""Walk through a pipeline without executing it."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import click
from click.core import ParameterSource

from attractor.base.errors import ExitCode, UsageError
from attractor.base.json import Json
from attractor.cli.invocation import json_option
from attractor.cli.output.simulation import coverage_text, walk_text
from attractor.cli.output.streams import show_result
from attractor.cli.pipelines.files import gallery_files, open_pipeline
from attractor.cli.shell_completion import complete_files
from attractor.engine.simulation.coverage import cover
from attractor.engine.simulation.outcomes import SimulatedOutcomes, open_outcomes, read_outcomes
from attractor.engine.simulation.records import coverage_record, walk_record
from attractor.engine.simulation.walk import MAX_STEPS
from attractor.language.graph.graph import Graph
from attractor.pipeline.simulation.simulate import (
    Script,
    check_answers,
    require_simulated,
    simulate as walk_through,
)
from attractor.pipeline.source.read import read_pipeline
from attractor.pipeline.source.vocabulary import files_beside


@click.command()
@click.argument("file", metavar="FILE", callback=gallery_files, shell_complete=complete_files)
@click.option(
    "--outcomes",
    "outcomes_file",
    type=click.Path(path_type=Path),
    metavar="OUTCOMES",
    help="Read the outcome of each node from a JSON or TOML file.",
)
@click.option(
    "--set",
    "set_",
    multiple=True,
    metavar="NODE=OUTCOME[,...]",
    help="Set the outcome of a node, or of several: a=success,b=fail. Repeat the option for later "
    "visits of the node.",
)
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="NODE=CHOICE",
    help="Set the choice at a human gate. Repeat the option for later visits of the node.",
)
@click.option(
    "--max-steps",
    type=click.IntRange(min=1),
    default=MAX_STEPS,
    show_default=True,
    help="Stop after this many steps.",
)
@click.option(
    "--coverage", is_flag=True, help="Try every outcome and list unreachable nodes and edges."
)
@json_option
def simulate(
    file: str,
    outcomes_file: Path | None,
    set_: tuple[str, ...],
    answers: tuple[str, ...],
    max_steps: int,
    coverage: bool,
    as_json: bool,
) -> ExitCode:
    """Walk through a pipeline without executing it.

    FILE is a pipeline, a name such as gallery:bug_fix, or - for standard input. By default, stages
    succeed, and human gates take their default or first choice. Each step lists all outgoing edges,
    and why each edge was taken or not. Loops and unvisited nodes are listed at the end. Exit with 0
    for any outcome; use 'attractor test' to check expectations.
    """
    if coverage:
        _refuse_besides_coverage("outcomes_file", "set_", "answers", "max_steps")
    source = open_pipeline(file).source
    graph = read_pipeline(source, files=files_beside(Path(source.file))).graph
    if coverage:
        require_simulated(graph)
        found = cover(graph)
        return show_result(
            coverage_record(graph, found), coverage_text(graph, found), as_json=as_json
        )
    script = Script(
        outcomes=_outcomes(graph, outcomes_file, set_),
        answers=_answers(graph, answers),
        max_steps=max_steps,
    )
    walk = asyncio.run(walk_through(graph, script))
    return show_result(walk_record(walk), walk_text(walk), as_json=as_json)


def _refuse_besides_coverage(*names: str) -> None:
    """Refuse to combine `--coverage` with options that set outcomes."""
    context = click.get_current_context()
    given = (
        param.opts[0]
        for param in context.command.params
        if param.name in names
        and context.get_parameter_source(param.name) is not ParameterSource.DEFAULT
    )
    if options := " and ".join(given):
        message = f"--coverage cannot be combined with {options}"
        raise UsageError(message, hint=f"remove --coverage or {options}")


def _outcomes(graph: Graph, file: Path | None, set_: Iterable[str]) -> SimulatedOutcomes:
    """Read outcomes from a file and from `--set`; `--set` overrides the file."""
    by_file = (
        read_outcomes(open_outcomes(file), nodes=graph.nodes, file=str(file)) if file else None
    )
    pairs = [_pair(one, "--set", "NODE=OUTCOME") for many in set_ for one in many.split(",")]
    visits: dict[str, list[Json]] = {}
    for node, word in pairs:
        visits.setdefault(node, []).append(word)
    by_option = read_outcomes(visits, nodes=graph.nodes)
    return SimulatedOutcomes({**(by_file.by_node if by_file else {}), **by_option.by_node})


def _answers(graph: Graph, written: Iterable[str]) -> dict[str, list[str]]:
    pairs = [_pair(one, "--answer", "NODE=CHOICE") for one in written]
    answers = {node: [one for named, one in pairs if named == node] for node, _ in pairs}
    check_answers(graph, answers)
    return answers


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    node, equals, value = text.partition("=")
    if not equals or not node.strip() or not value.strip():
        raise UsageError(f"invalid {option} {text!r}", hint=f"write {form}")
    return node.strip(), value.strip()


part = simulate
