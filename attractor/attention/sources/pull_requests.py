"""Pull requests that wait for a person here, as they were read last."""

from collections.abc import Iterator
from functools import partial

from attractor.attention.evidence import Evidence, changes_of_run
from attractor.attention.rows import AttentionRow, in_project, link_to_run
from attractor.attention.source import Look, Source
from attractor.factory.open_project import OpenProject
from attractor.factory.pulls.readings import SHOWN, PullReading, PullReadings, pull_step
from attractor.records.diagnosis.needs import row_id


def _rows(look: Look) -> Iterator[AttentionRow]:
    project = look.project
    for reading in PullReadings.in_state(look.state, project.project_id).all():
        step = pull_step(reading)
        if step is None or (reading.merged_outside and look.now - reading.since > SHOWN):
            continue
        yield AttentionRow(
            id=row_id("pull", project.project_id, reading.url, step.words),
            need="pull request",
            project=project,
            name=f"pull request {reading.number}",
            reason=f"{reading.url}: {step.words}",
            since=reading.since,
            command=f"{in_project(project)}{step.command}",
            run_id=reading.run_id,
            link=link_to_run(reading.run_id),
            look=partial(_look, reading),
        )


def _look(one: PullReading, opened: OpenProject) -> Evidence:
    facts = {
        "target": one.target,
        "round": f"{one.round} of at most {one.most}",
        "passed checks": str(one.passed or ""),
        "failed checks": ", ".join(one.failed),
        "waits for": ", ".join(one.pending),
        "remarks": str(len(one.remarks) or ""),
    }
    root = opened.project.runs_dir / one.run_id
    shown = {name: text for name, text in facts.items() if text}
    return Evidence(facts=shown, changes=changes_of_run(root, opened))


part = Source(_rows)
