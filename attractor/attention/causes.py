"""Failed tasks with one cause are one row."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from attractor.attention.rows import AttentionRow, Choice, RowGone, Settler, find_row, no_evidence
from attractor.base.amounts import number_of
from attractor.base.json import canonical_json, content_hash
from attractor.base.records import write_fields
from attractor.engine.outcome import NOTHING_USED
from attractor.factory.history.index import RunIndex
from attractor.records.diagnosis.causes import Cause, cause_of
from attractor.records.diagnosis.failures import budget_option

CAUSE = "cause:"
"""The begin of the id of a row about a common cause."""


def grouped(rows: Sequence[AttentionRow], state: Path) -> list[AttentionRow]:
    """Return the rows with one row for the failed tasks of each cause, from two tasks on."""
    failed = [row for row in rows if row.has_failed and not budget_option(row.reason)]
    if len(failed) < 2:
        return [*rows]
    with RunIndex(state).opened() as index:
        known = index.causes([row.run_id for row in failed if row.run_id])
    groups: defaultdict[tuple[str, Cause], list[AttentionRow]] = defaultdict(list)
    for row in failed:
        # A task that was refused has no run.
        cause = known.get(row.run_id) if row.run_id else _cause_of_refusal(row)
        if cause:
            groups[row.project.project_id, cause].append(row)
    common = {cause: found for cause, found in groups.items() if len(found) > 1}
    single = {row.id for found in common.values() for row in found}
    return [
        *(row for row in rows if row.id not in single),
        *(_row_of_cause(cause, found) for (_, cause), found in common.items()),
    ]


def _cause_of_refusal(row: AttentionRow) -> Cause:
    actor = row.actor.history.actor if row.actor else None
    return cause_of(row.reason, pipeline=actor.pipeline if actor else "")


def _row_of_cause(cause: Cause, rows: Sequence[AttentionRow]) -> AttentionRow:
    key = canonical_json([rows[0].project.project_id, write_fields(cause)])
    row = replace(
        rows[0],
        id=f"{CAUSE}{content_hash(key.encode())}",
        reason=f"{cause.reason} ({cause.place})",
        command="attractor attention next",
        run_id="",
        message="",
        has_failed=False,
        actor=None,
        look=no_evidence,
    )
    return with_rows(row, sorted(rows, key=lambda one: one.since))


def find_shown(row_id: str, shown: Sequence[str], rows: Sequence[AttentionRow]) -> AttentionRow:
    """Return the row that was shown; of a common cause, with the shown tasks that are left.

    The last task of a cause is a row of its own.
    """
    if not (shown and row_id.startswith(CAUSE)):
        return find_row(row_id, rows)
    tasks = [one for row in rows for one in (row, *row.rows) if one.message and one.id in shown]
    if len({one.project.project_id for one in tasks}) != 1:
        raise RowGone
    return with_rows(tasks[0], tasks)


def with_rows(row: AttentionRow, rows: Sequence[AttentionRow]) -> AttentionRow:
    """Return the row of a cause for some of its tasks: those that a person was shown."""

    def see(choice: str, fields: Mapping[str, str], at: Settler) -> str:
        # Imported here, because a list settles nothing.
        from attractor.worlds.orders import mark_seen

        # Newer answers stay, which no one has seen.
        for one in rows:
            mark_seen(one.folder, one.message, at.by, at.opened)
        return "seen"

    return replace(
        row,
        name=number_of(len(rows), "task"),
        since=rows[0].since,
        usage=sum((one.usage for one in rows), NOTHING_USED),
        rows=rows,
        choices=[Choice("seen", "mark all as reviewed", "s")],
        act=see,
    )
