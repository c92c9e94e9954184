"""Changes that an agent proposed, and that no person has applied or dropped."""

from collections.abc import Iterator
from functools import partial

from attractor.attention.evidence import Evidence
from attractor.attention.rows import AttentionRow, in_project
from attractor.attention.source import Look, Source
from attractor.factory.open_project import OpenProject
from attractor.factory.proposals import Proposals, ProposalState, ProposedChange


def _rows(look: Look) -> Iterator[AttentionRow]:
    for one in Proposals.in_state(look.state, look.project.project_id).all():
        if one.state is ProposalState.OPEN:
            failed = f", {len(one.failed)} checks failed" if one.failed else ""
            yield AttentionRow(
                id=f"proposal:{one.name}",
                need="proposal",
                project=look.project,
                name=one.name,
                reason=f"a change of {', '.join(one.files)} for run {one.run_id}{failed}",
                since=one.at,
                command=f"{in_project(look.project)}attractor proposal show {one.name}",
                run_id=one.run_id,
                look=partial(_look, one),
            )


def _look(one: ProposedChange, opened: OpenProject) -> Evidence:
    checks = {f"{check.kind} {check.path}": check.after for check in one.checks}
    return Evidence(said=one.reason, facts=checks)


part = Source(_rows)
