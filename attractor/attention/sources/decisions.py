"""Runs that were judged, and wait for the decision of a person."""

from collections.abc import Iterator

from attractor.attention.rows import AttentionRow, link_to_run
from attractor.attention.source import Look, Source
from attractor.engine.state.run_state import Phase


def _rows(look: Look) -> Iterator[AttentionRow]:
    for run in look.runs:
        if run.phase == Phase.DECISION and run.run_id not in look.runs_of_actors:
            yield AttentionRow(
                id=f"decision:{run.run_id}",
                need="decision",
                project=look.project,
                name=run.run_id,
                reason=run.subject,
                since=run.written or run.started,
                usage=run.usage,
                command=f"attractor decide {run.run_id}",
                run_id=run.run_id,
                about=run.subject,
                link=link_to_run(run.run_id, "Review and decide", "/decision"),
            )


part = Source(_rows)
