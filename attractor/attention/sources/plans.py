"""Plans of an app that wait for a person."""

from collections.abc import Iterator
from urllib.parse import quote

from attractor.attention.rows import AttentionRow, Link, in_project
from attractor.attention.source import Look, Source


def _rows(look: Look) -> Iterator[AttentionRow]:
    if look.growth is None:
        return
    # Imported here, because only projects with an app need it.
    from attractor.growth.plans.store import plans_that_wait

    for plan in plans_that_wait(look.growth):
        place = f"{quote(plan.id, safe='')}?project={quote(look.project.project_id, safe='')}"
        yield AttentionRow(
            id=f"plan:{plan.id}:{plan.state}",
            need="plan",
            project=look.project,
            name=plan.id,
            reason=f"the plan is {plan.state}",
            since=plan.since,
            command=f"{in_project(look.project)}attractor grow status {plan.id}",
            link=Link("Review the plan", f"/growth/plans/{place}"),
        )


part = Source(_rows)
