"""`validate` is as strict as `run`: it reports each error of the pipeline itself."""

import asyncio
from pathlib import Path

from attractor.cli.pipelines.check import PipelineChecker
from attractor.language.declarations.inputs import declared_inputs
from attractor.language.diagnostics import Diagnostic
from attractor.language.linting.pages import read_pages
from attractor.language.linting.validate import AS_WRITTEN
from attractor.pipeline.preflight.preflight import preflight
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import context_of, open_pipeline
from attractor.pipeline.source.vocabulary import known_names
from docs.pictures.drawn_pipelines import ROOT
from tests.counts import count
from tests.pipeline.projects import make_project, open_project, simulated
from tests.tables import table

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
INNER = f'digraph inner {{ {ENDS}; inputs="ticket, count:int=3"; start -> exit }}'
LONE = "digraph lone { start [shape=Mdiamond]; a; start -> a }"
EMPTY = f"digraph empty {{ {ENDS}; start -> exit }}"
CHILDREN = {"inner.dot": INNER, "lone.dot": LONE, "empty.dot": EMPTY}
CHILD, MANAGER = "type=pipeline, file", 'shape=house, "stack.child_dotfile"'


def outer(node: str, of_graph: str = "") -> str:
    return f"digraph outer {{ {of_graph} {ENDS}; it [{node}]; start -> it -> exit }}"


def errors(project: Path) -> list[Diagnostic]:
    """Return the errors that `validate` reports."""
    opened, file = open_project(project), project / "pipeline.dot"
    names = known_names(project, environ=opened.machine.environ)
    checker = PipelineChecker(names, AS_WRITTEN)
    found = checker.check(file.read_text(), file=str(file)).diagnostics
    return [one for one in found if one.is_error]


def refusals(project: Path) -> list[Diagnostic]:
    """Return the errors for which a run with all its variables and secrets would not start."""
    opened, file = open_project(project, TOKEN="zK4-variable"), project / "pipeline.dot"
    pipeline = open_pipeline(str(file), project=context_of(RunScope.of(opened)))
    secrets = {one.name: "zK4-secret" for one in declared_inputs(pipeline.graph) if one.is_secret}
    request = simulated(project, inputs=secrets)
    return [*asyncio.run(preflight(pipeline, request, RunScope.of(opened))).faults]


REFUSED = {
    "a manager without a child": (outer("shape=house"), "the manager has no child pipeline"),
    "a bad action": (outer(f'{MANAGER}="empty.dot", "manager.actions"="look"'), "unknown action"),
    "a duplicate output": (outer("prompt=x", 'outputs="a, a";'), "duplicate input a"),
    "a bad name in outputs": (outer("prompt=x", 'outputs="1a";'), "outputs: "),
    "an undeclared input": (outer(f'{CHILD}="inner.dot", inputs="ticket=1, x=1"'), "no input 'x'"),
    "a missing input": (outer(f'{CHILD}="inner.dot"'), "needs the input ticket"),
    "an input of a manager's child": (
        outer(f'{MANAGER}="inner.dot", inputs="ticket=1"'),
        "needs the input ticket, but a manager loop passes no inputs",
    ),
    "a bad value": (outer(f'{CHILD}="inner.dot", inputs="ticket=1, count=x"'), "invalid value"),
    "a child without an exit": (outer(f'{CHILD}="lone.dot"'), "cannot be run"),
    "a child of a child": (outer(f'{CHILD}="outer.dot"'), "needs the input ticket"),
}


@table("name", REFUSED)
def test_validate_reports_what_a_run_refuses(tmp_path: Path, name: str) -> None:
    text, output = REFUSED[name]
    files = CHILDREN | {"outer.dot": outer(f'{CHILD}="inner.dot"')}
    project = make_project(tmp_path / "project", text, **files)
    found = errors(project)
    assert any(output in one.message for one in found), found
    assert {one.rule for one in found} == {"runnable"}


EXAMPLES = {
    **{
        f"{page.rule}: {part}": getattr(page, part)
        for page in read_pages()
        for part in ("example", "instead")
    },
    **{file.name: file.read_text() for file in sorted((ROOT / "pipelines").glob("*.dot"))},
}


@table("name", [*EXAMPLES][:: count(ci=3, full=1)])
def test_run_accepts_the_pipelines_that_validate_passes(tmp_path: Path, name: str) -> None:
    project = make_project(tmp_path / "project", EXAMPLES[name], **CHILDREN)
    if not errors(project):
        assert refusals(project) == []
