"""The pages of a run and of a race, each as one HTML file that opens from disk, loading nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.engine.questions.question import Question
from attractor.engine.run_folder.layout import RunDirectory
from attractor.factory.evaluation.gate import gate
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.evaluate import ask_gate
from attractor.factory.operations.race import AttemptView, rank_views, winning_run
from attractor.factory.races import Race, results_of
from attractor.pipeline.garbage import DRAWINGS
from attractor.records.context import read_context
from attractor.records.drawing import read_events
from attractor.records.lookup import latest_verdict
from attractor.server.drawings import FoldKind, GraphDrawings, Look
from attractor.server.evidence import NO_EVIDENCE, Evidence
from attractor.server.html.changes import read_changes
from attractor.server.html.rendering import render_text
from attractor.server.html.run_view import RunView, event_line, pretty, read_view, run_values
from attractor.server.html.stage_view import StageView, view_stage
from attractor.server.pieces import PieceSource, PieceVersions

UNFOLDED = Look(fold=FoldKind.NONE)


@dataclass(frozen=True)
class ReportedStage:
    """An attempt with all its views, or a node that the run has not reached."""

    anchor: str
    is_last: bool
    view: StageView
    views: Sequence[StageView]


def report_of_run(root: Path, opened: OpenProject) -> str:
    """Return the report of a run as HTML, without secrets."""
    project, machine = opened.project, opened.project.machine
    drawings = GraphDrawings(machine.state_dir / DRAWINGS)
    view = read_view(root, project.runs_dir, drawings.of_run(root, UNFOLDED))
    lines = map(event_line, read_events(RunDirectory(root).events))
    values = {
        **run_values(view, "", PieceSource(PieceVersions()), machine.clock.now()),
        "stage_address": "#stage-",
        "frozen": True,
        "evidence_of": _no_evidence,
        "selected": "",
        "stage": None,
        "csrf": "",
        "look_address": "",
        "reported": list(_stages(view)),
        "changes": read_changes(root, project),
        "events": [line for line in lines if line.words],
        "walks": read_context(root).walks,
        "pretty": pretty,
        "gate": None if latest_verdict(root) is None else gate(ask_gate(root, opened)[1]),
        "now": machine.clock.now(),
        "version": machine.version,
    }
    return project.redactor.text(render_text("report.html.j2", values))


def report_of_race(race: Race, views: Sequence[AttemptView], opened: OpenProject) -> str:
    """Return the report of a race as HTML, without secrets."""
    machine = opened.project.machine
    has_ended = results_of(opened.ledger, race.race_id) is not None
    values = {
        "race": race,
        "ranked": rank_views(views),
        "winner": winning_run(views, has_ended=has_ended),
        "frozen": True,
        "now": machine.clock.now(),
        "version": machine.version,
    }
    return opened.project.redactor.text(render_text("race_report.html.j2", values))


def _no_evidence(question: Question) -> Evidence:
    # The report has the outputs and changes themselves.
    return NO_EVIDENCE


def _stages(view: RunView) -> Iterator[ReportedStage]:
    newest = {attempt.node: attempt for attempt in view.timeline.attempts}
    for attempt in view.timeline.attempts:
        first = view_stage(view, attempt.id)
        others = [
            view_stage(view, attempt.id, tab.name) for tab in first.tabs if tab.name != first.tab
        ]
        views = [first, *(each for each in others if each.tab != "files")]
        yield ReportedStage(attempt.id, newest[attempt.node] is attempt, first, views)
    for node in view.drawing.graph.nodes:
        if node not in newest:
            shown = view_stage(view, node)
            yield ReportedStage(node, True, shown, [shown])
