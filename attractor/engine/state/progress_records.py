"""Writes steps and progress as JSON records and reads them back."""

from attractor.base.json import Json
from attractor.engine.json_files import Fields
from attractor.engine.outcome import (
    StageStatus,
    outcome_from_record,
    outcome_to_record,
    usage_from_record,
    usage_to_record,
)
from attractor.engine.prompts.preamble import past_from_record, past_to_record, tools_from_record
from attractor.engine.routing.retry import NO_STREAK
from attractor.engine.state.progress import (
    Move,
    Progress,
    StageRecord,
    Step,
    SteppedOver,
    Visit,
    WalkEnd,
    streak_from_record,
    streak_to_record,
)


def step_to_record(step: Step) -> dict[str, Json]:
    """Return a step as the journal has it."""
    return {"visit": _visit_to_record(step.visit), "move": _move_to_record(step.move)}


def step_from_record(fields: Fields) -> Step:
    """Read a step back."""
    return Step(_visit_from_record(fields.inner("visit")), _move_from_record(fields.inner("move")))


def progress_to_record(progress: Progress) -> dict[str, Json]:
    """Return a progress under the names of the checkpoint (attractor-spec 5.3) and our own."""
    return {
        "current_node": progress.current_node,
        "completed_nodes": list(progress.completed),
        "node_retries": {
            node: record.retries for node, record in progress.stages.items() if record.retries
        },
        "context": dict(progress.context),
        "logs": list(progress.logs),
        "next_node": progress.next_node,
        "edge_reason": progress.edge_reason,
        "tree": progress.tree,
        "stages": [
            {
                "node": node,
                "visits": record.visits,
                "outcome": record.outcome.value,
                "branches": list(record.branches),
                "failure": record.failure,
                "alike": record.alike,
            }
            for node, record in progress.stages.items()
        ],
        "last_status": progress.last_status.value,
        "last_label": progress.last_label,
        "last_notes": progress.last_notes,
        "redirects": progress.redirects,
        "handled": list(progress.handled),
        "stepped_over": [{"node": one.node, "branch": one.branch} for one in progress.steps_over],
        "assumed": list(progress.assumed),
        "left_out": list(progress.left_out),
        "written": None if progress.written is None else list(progress.written),
        "usage": usage_to_record(progress.usage),
        "seconds": progress.seconds,
        "restarts": progress.restarts,
        "is_restarting": progress.is_restarting,
        "edge_fidelity": progress.edge_fidelity,
        "edge_thread": progress.edge_thread,
        "past": past_to_record(progress.past),
        "thread": progress.thread,
        "threads": list(progress.threads),
        "end": _ending_to_record(progress.end) if progress.end else None,
    }


def progress_from_record(fields: Fields) -> Progress:
    """Read a progress back."""
    retries = fields.inner("node_retries")
    return Progress(
        next_node=fields.text("next_node"),
        edge_reason=fields.text("edge_reason"),
        tree=fields.text("tree"),
        context=fields.members("context"),
        stages={
            one.text("node"): StageRecord(
                one.number("visits"),
                one.word("outcome", StageStatus),
                retries.number(one.text("node")) if retries.has(one.text("node")) else 0,
                one.texts("branches"),
                one.text("failure"),
                one.number("alike"),
            )
            for one in fields.inners("stages")
        },
        completed=fields.texts("completed_nodes"),
        logs=fields.texts("logs"),
        last_status=fields.word("last_status", StageStatus),
        last_label=fields.text("last_label"),
        last_notes=fields.text("last_notes"),
        redirects=fields.number("redirects"),
        handled=fields.texts("handled"),
        steps_over=tuple(
            SteppedOver(one.text("node"), one.text("branch"))
            for one in fields.inners("stepped_over")
        ),
        assumed=fields.texts("assumed"),
        left_out=fields.texts("left_out"),
        written=fields.texts("written") if fields.has("written") else None,
        usage=usage_from_record(fields.inner("usage")),
        seconds=fields.real("seconds"),
        restarts=fields.number("restarts") if fields.has("restarts") else 0,
        is_restarting=fields.has("is_restarting") and fields.flag("is_restarting"),
        edge_fidelity=fields.text("edge_fidelity"),
        edge_thread=fields.text("edge_thread"),
        past=past_from_record(fields.inner("past")),
        thread=fields.text("thread"),
        threads=fields.texts("threads"),
        end=_ending_from_record(fields.inner("end")) if fields.has("end") else None,
    )


def _visit_to_record(visit: Visit) -> dict[str, Json]:
    return {
        "node": visit.node,
        "number": visit.number,
        "attempts": visit.attempts,
        "outcome": outcome_to_record(visit.outcome),
        "tree": visit.tree,
        "logs": list(visit.logs),
        "seconds": visit.seconds,
        "is_transparent": visit.is_transparent,
        "is_assumed": visit.is_assumed,
        "meeting": visit.meeting,
        "fidelity": visit.fidelity,
        "thread": visit.thread,
        "tools": dict(visit.tools),
        # Left out where it says nothing: most stages are tried once.
        **({"streak": streak_to_record(visit.streak)} if visit.streak != NO_STREAK else {}),
    }


def _visit_from_record(fields: Fields) -> Visit:
    return Visit(
        node=fields.text("node"),
        number=fields.number("number"),
        attempts=fields.number("attempts"),
        outcome=outcome_from_record(fields.inner("outcome")),
        tree=fields.text("tree"),
        logs=fields.texts("logs"),
        seconds=fields.real("seconds"),
        is_transparent=fields.flag("is_transparent"),
        is_assumed=fields.flag("is_assumed"),
        meeting=fields.text("meeting"),
        fidelity=fields.text("fidelity"),
        thread=fields.text("thread"),
        tools=tools_from_record(fields.inner("tools")),
        streak=streak_from_record(fields.inner("streak")) if fields.has("streak") else NO_STREAK,
    )


def _move_to_record(move: Move) -> dict[str, Json]:
    return {
        "target": move.target,
        "reason": move.reason,
        "redirects": move.redirects,
        "is_handled": move.is_handled,
        "is_stepped_over": move.is_stepped_over,
        "is_restart": move.is_restart,
        "fidelity": move.fidelity,
        "thread": move.thread,
        "end": _ending_to_record(move.end) if move.end else None,
    }


def _move_from_record(fields: Fields) -> Move:
    return Move(
        target=fields.text("target"),
        reason=fields.text("reason"),
        redirects=fields.number("redirects"),
        is_handled=fields.flag("is_handled"),
        is_stepped_over=fields.flag("is_stepped_over"),
        is_restart=fields.has("is_restart") and fields.flag("is_restart"),
        fidelity=fields.text("fidelity"),
        thread=fields.text("thread"),
        end=_ending_from_record(fields.inner("end")) if fields.has("end") else None,
    )


def _ending_to_record(end: WalkEnd) -> dict[str, Json]:
    return {"status": end.status.value, "reason": end.reason, "node": end.node}


def _ending_from_record(fields: Fields) -> WalkEnd:
    return WalkEnd(fields.word("status", StageStatus), fields.text("reason"), fields.text("node"))
