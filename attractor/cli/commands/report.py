"""Report cost, time and results of runs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from attractor.base.amounts import format_cost, format_number, format_seconds, number_of
from attractor.base.dataclasses import changed
from attractor.base.errors import ExitCode, UsageError
from attractor.base.files import write_whole
from attractor.base.json import Json
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, show_result, table
from attractor.cli.runs.listings import read_since, show_indexing
from attractor.cli.runs.setup import opened_of
from attractor.cli.runs.verdicts import operator_option
from attractor.cli.shell_completion import complete_runs
from attractor.engine.outcome import format_usage_cost
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.factory.decisions.figures import FEWEST, HASTY_S, Spread, read_decisions
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.history.index import RunIndex, RunQuery
from attractor.factory.history.report import (
    DayCosts,
    GroupFigures,
    StageFigures,
    TrialFigures,
    read_costs,
    read_groups,
    read_stages,
    trials_in,
    verdict_cost,
)
from attractor.factory.lessons import LessonTasks, count_tasks
from attractor.factory.open_project import OpenProject
from attractor.language.source.text import visible
from attractor.records.lookup import find_run


@click.command()
@click.argument("reference", metavar="RUN", default="", shell_complete=complete_runs)
@click.option(
    "--since",
    default="30d",
    metavar="TIME",
    show_default=True,
    help="Count runs that started after this time, such as 2026-01-31, or in this last time.",
)
@click.option("--daily", is_flag=True, help="Report only the cost, by day.")
@click.option(
    "--decisions", is_flag=True, help="Report how persons decided, and how often wrongly."
)
@click.option("--lessons", is_flag=True, help="Count the tasks with and without each lesson.")
@click.option(
    "--html",
    "html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the page of RUN to this file: one HTML file that needs no server.",
)
@operator_option("Give the hidden scenarios their names.")
@json_option
@click.pass_obj
def report(
    invocation: Invocation,
    reference: str,
    since: str,
    daily: bool,
    decisions: bool,
    lessons: bool,
    html: Path | None,
    to_operator: bool,
    as_json: bool,
) -> ExitCode:
    """Report cost, time and results of runs.

    Without RUN: by pipeline and models, the number of runs, the share with the verdict 'go', the
    share of satisfied trials, approved runs, cost, cost per approved run, tokens, agent time and
    wall time, and flaky scenarios. With RUN: by stage and by trial. Scenarios have opaque names
    unless --operator is given. With --daily: the cost by the day (UTC) on which the runs started,
    by pipeline and models. With --decisions: the time from the last evaluation to the decision, and
    from the first sight of the page; who decided; waivers, approvals that were rolled back,
    those that 'attractor amend --defect' marked as wrong, and how often persons agreed with
    findings of the reader of the change. With --lessons: the tasks of actors and missions whose
    prompts quoted each taken lesson, and the others since it was taken. With RUN and --html:
    write the run with its graph, timeline, stages, changes, events and context to a file, for a
    pull request or an archive.
    """
    opened = opened_of(invocation)
    if (decisions or lessons) and (daily or reference):
        about = "--decisions" if decisions else "--lessons"
        raise UsageError(f"{about} is about all runs", hint="leave RUN and --daily out")
    if html:
        return _write_page(opened, reference, html, as_json=as_json)
    if reference:
        return _report_run(opened, reference, to_operator=to_operator, as_json=as_json)
    began = read_since(since).astimezone(UTC)
    if decisions:
        return _report_decisions(opened, began, as_json=as_json)
    index = RunIndex(opened.project.machine.state_dir, on_progress=show_indexing)
    runs_dir, moment = opened.project.runs_dir, began.isoformat()
    if lessons:
        found = count_tasks(opened, index.runs(runs_dir, RunQuery(since=moment)))
        return _report_lessons(found, moment, as_json=as_json)
    if daily:
        return _report_days(read_costs(index, runs_dir, moment), moment, as_json=as_json)
    groups = read_groups(index, runs_dir, moment)
    suites = {run.summary.suite for group in groups for run in group.runs if to_operator}
    names = Evaluator(opened).holdout_names(suites)
    return _report_groups(groups, names, moment, as_json=as_json)


def _write_page(opened: OpenProject, reference: str, html: Path, *, as_json: bool) -> ExitCode:
    # Imported here, because only this option needs the templates of the server's pages.
    from attractor.server.html.report import report_of_run

    if not reference:
        raise UsageError("--html needs a run", hint="attractor report latest --html FILE")
    root = find_run(reference, opened.project.runs_dir)
    write_whole(html, report_of_run(root, opened), sync=False)
    return show_result(
        {"run_id": root.name, "html": str(html)}, f"written: {html}", as_json=as_json
    )


def _report_groups(
    groups: Sequence[GroupFigures], names: Mapping[str, str], began: str, *, as_json: bool
) -> ExitCode:
    if as_json:
        show_json({"since": began, "groups": [_group_record(group, names) for group in groups]})
    elif groups:
        rows = [(*_HEADING, *_TIMES), *(_group_row(group) for group in groups)]
        flaky = [
            f"flaky in {number_of(count, 'run')} of {group.pipeline}: {names.get(one, one)}"
            for group in groups
            for one, count in group.flaky.items()
        ]
        show("\n".join([*_aligned(rows), *map(visible, flaky)]))
    else:
        show(f"No run started since {began}.")
    return ExitCode.DONE


def _report_decisions(opened: OpenProject, began: datetime, *, as_json: bool) -> ExitCode:
    entries = list(opened.ledger.entries())
    found = read_decisions(entries, opened.identity.project_id(), began)
    count, approved = len(found.decisions), found.approved
    if as_json:
        show_json({"since": began.isoformat(), **found.to_record()})
    elif count:
        persons = [f"{by} ({proof}) {n}" for (by, proof), n in found.persons.items()]
        lines = [
            f"{number_of(count, 'decision')} since {began:%Y-%m-%d %H:%M} UTC: "
            f"{approved} approved, {count - approved} rejected",
            f"decided by: {', '.join(persons)}",
            f"from the evaluation to the decision: {_spread(found.since_evaluated)}",
            f"from the first sight of the page: {_spread(found.since_shown)}",
            f"waived scenarios: {found.waivers}",
            f"approvals rolled back: {found.rolled_back} of {approved}",
            f"approvals marked as wrong: {found.false_go} of {approved}",
            f"findings agreed with: {sum(found.answers)} of {len(found.answers)} answered",
        ]
        show("\n".join(map(visible, lines)))
    else:
        show(f"No run was decided since {began:%Y-%m-%d %H:%M} UTC.")
    return ExitCode.DONE


def _report_lessons(found: Sequence[LessonTasks], began: str, *, as_json: bool) -> ExitCode:
    rows = [("lesson", "tasks with it", "tasks without it", "what")]
    rows += [(one.lesson.id, str(one.quoted), str(one.others), one.lesson.what) for one in found]
    note = "These are counts, and show no effect: a task with a lesson is one that matches it."
    records = [one.to_record() for one in found]
    text = "\n".join([*_aligned(rows), note]) if found else "No lesson is taken."
    return show_result({"since": began, "lessons": records}, text, as_json=as_json)


def _spread(found: Spread) -> str:
    if found.median_s is None or found.p90_s is None:
        few = f"; {FEWEST} are needed for figures" if found.measured else ""
        return f"{found.measured or 'not'} measured{few}"
    times = f"median {format_seconds(found.median_s)}, p90 {format_seconds(found.p90_s)}"
    return f"{times}, {_share(found.hasty)} under {HASTY_S:g} s ({found.measured} measured)"


def _report_days(days: Sequence[DayCosts], began: str, *, as_json: bool) -> ExitCode:
    if as_json:
        show_json({"since": began, "days": [day.to_record() for day in days]})
    elif days:
        rows = [("day", "pipeline", "models", "runs", "cost", "of trials", "tokens")]
        for day in days:
            costs = (
                format_usage_cost(day.usage),
                format_usage_cost(day.trials_usage),
                format_number(day.tokens),
            )
            rows.append((day.day, day.pipeline, day.models or "-", str(day.runs), *costs))
        show("\n".join(_aligned(rows)))
    else:
        show(f"No run started since {began}.")
    return ExitCode.DONE


def _report_run(
    opened: OpenProject, reference: str, *, to_operator: bool, as_json: bool
) -> ExitCode:
    root, evaluator = find_run(reference, opened.project.runs_dir), Evaluator(opened)
    manifest = read_manifest(RunDirectory(root))
    names = evaluator.holdout_names([manifest.suite] if to_operator else [])
    trials = [
        changed(trial, scenario=names.get(trial.scenario, trial.scenario))
        for trial in trials_in(evaluator.ledger.entries(manifest.run_id))
    ]
    stages = read_stages(root)
    records = {"stages": stages, "trials": trials}
    shown = {name: [one.to_record() for one in found] for name, found in records.items()}
    cost = verdict_cost(evaluator.ledger.entries(manifest.run_id))
    return show_result(
        {"run_id": manifest.run_id, **shown, "verdict": cost.to_record()},
        *_run_lines(stages, trials),
        *([f"verdict: {cost}"] if trials else []),
        as_json=as_json,
    )


def _group_record(group: GroupFigures, names: Mapping[str, str]) -> dict[str, Json]:
    flaky = {names.get(one, one): count for one, count in group.flaky.items()}
    return {**group.to_record(), "flaky": dict[str, Json](flaky)}


_HEADING = ("pipeline", "models", "runs", "go", "satisfied", "approved", "cost", "per approved")
_TIMES = ("tokens", "agent time", "wall time")


def _group_row(one: GroupFigures) -> tuple[str, ...]:
    record = one.to_record()
    per_approved, usage = one.cost_per_approved, one.usage
    seconds = (sum(run.summary.seconds for run in one.runs), sum(r.wall_seconds for r in one.runs))
    return (
        one.pipeline,
        one.models or "-",
        str(record["runs"]),
        _share(one.go_rate),
        _share(one.satisfaction),
        str(one.approved),
        format_usage_cost(usage),
        "-"
        if per_approved is None
        else format_cost(per_approved, is_partial=bool(usage.unpriced_tokens)),
        format_number(usage.tokens),
        *map(format_seconds, seconds),
    )


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _run_lines(stages: Sequence[StageFigures], trials: Sequence[TrialFigures]) -> list[str]:
    rows = [("stage", "attempts", "time", "cost", "tokens")]
    for stage in stages:
        used = format_usage_cost(stage.usage), format_number(stage.usage.tokens)
        rows.append((stage.node, str(stage.attempts), format_seconds(stage.seconds), *used))
    lines = _aligned(rows)
    rows = [("trial", "result", "time", "cost", "tokens")]
    for trial in trials:
        result = "satisfied" if trial.satisfied else "failed"
        used = format_usage_cost(trial.usage), format_number(trial.tokens)
        rows.append(
            (f"{trial.scenario} {trial.number}", result, format_seconds(trial.seconds), *used)
        )
    return [*lines, "", *_aligned(rows)] if trials else lines


def _aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    return table([[visible(cell) for cell in row] for row in rows])


part = report
