"""Runs that were judged, and wait for the decision of a person."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from attractor.attention.evidence import Evidence, changes_of_run
from attractor.attention.rows import AttentionRow, link_to_run, row_of_run
from attractor.attention.source import Look, Source
from attractor.base.dataclasses import changed
from attractor.engine.outcome import describe_usage
from attractor.factory.open_project import OpenProject
from attractor.records.about import given_of
from attractor.records.diagnosis.needs import DECISION, needs_of, why_it_needs_a_person


def _rows(look: Look) -> Iterator[AttentionRow]:
    for run in look.runs:
        if why_it_needs_a_person(run) == DECISION and run.run_id not in look.runs_of_actors:
            link = link_to_run(run.run_id, "Review and decide", "/decision")
            for need in needs_of(run):
                row = row_of_run(look.project, run, need)
                yield changed(row, link=link, look=partial(_look, run.directory))


def _look(root: Path, opened: OpenProject) -> Evidence:
    # Imported here, because judging is slow to import.
    from attractor.factory.evaluation.failed_scenarios import count_failures, in_words
    from attractor.factory.factory import Factory

    review = asyncio.run(Factory(opened).review(root))
    report, changes = review.report, review.changes
    failures = count_failures(review.judged)
    facts = {
        "gate": f"{report.verdict}, {report.satisfied} of {report.played} trials satisfied",
        "failed scenarios": in_words(failures) if failures else "",
        **{f"failed rule {one.rule}": one.words for one in report.reasons},
        **given_of(review.facts.manifest),
        "read first": ", ".join(one.path for one in changes.starting) if changes else "",
        "cost": describe_usage(review.usage),
    }
    shown = {name: text for name, text in facts.items() if text}
    return Evidence(review.facts.manifest.goal, shown, changes=changes_of_run(root, opened))


part = Source(_rows)
