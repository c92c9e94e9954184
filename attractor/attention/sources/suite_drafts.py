"""Drafts of suites that no person has read."""

from collections.abc import Iterator
from datetime import UTC, datetime

from attractor.attention.rows import AttentionRow, Link, in_project
from attractor.attention.source import Look, Source
from attractor.base.amounts import number_of
from attractor.factory.candidate_run import DRAFTS


def _rows(look: Look) -> Iterator[AttentionRow]:
    if not (look.state / DRAFTS).is_dir():
        return
    # Imported here, because only projects with drafts need it.
    from attractor.factory.registration.taking import Standing, views_of

    for one in views_of(look.open()):
        if not (count := one.count(Standing.WAITING)):
            continue
        run, folder = one.draft.run_id, one.folder.relative_to(look.project.root)
        yield AttentionRow(
            id=f"suite-drafts:{run}",
            need="suite drafts",
            project=look.project,
            name=str(folder),
            reason=f"{number_of(count, 'draft')} of {len(one.parts)} to read, and take or skip",
            since=datetime.fromtimestamp(one.draft.folder.stat().st_mtime, UTC),
            command=f"{in_project(look.project)}attractor suite take {run} {folder}",
            run_id=run,
            link=Link("Read the drafts", f"/suites/drafts/{run}"),
        )


part = Source(_rows)
