"""Automations as JSON, and their triggers in words."""

from datetime import datetime

from attractor.automations.automation import Automation
from attractor.automations.starts import Start, Starts
from attractor.automations.store import faults_of
from attractor.base.json import Json
from attractor.base.records import write_fields


def automation_record(automation: Automation, starts: Starts, now: datetime) -> dict[str, Json]:
    """Return an automation with its state, its troubles, its next start, and its last starts."""
    next_ = None
    if automation.schedule and not starts.is_paused:
        next_ = automation.schedule.next_after(max(now, starts.since)).isoformat()
    return {
        **automation.to_record(),
        "is_paused": starts.is_paused,
        "next": next_,
        "trouble": [fault.reason for fault in faults_of(automation.name, starts, now)],
        "starts": [_start_record(start) for start in starts.last],
        "skipped": [write_fields(skipped) for skipped in starts.skipped],
    }


def _start_record(start: Start) -> dict[str, Json]:
    claim = start.claim
    return {
        "kind": claim.kind.value,
        "occurrence": claim.occurrence,
        "run_id": claim.run_id,
        "at": claim.at.isoformat(),
        "state": start.state,
        "fault": start.fault,
    }


def trigger_words(automation: Automation) -> str:
    """Return the triggers of an automation, for people."""
    words: list[str] = []
    if schedule := automation.schedule:
        words.append(f"{schedule.cron} ({schedule.zone}, catch up: {schedule.catch_up})")
    if promotion := automation.promotion:
        of = f" of {promotion.pipeline}" if promotion.pipeline else ""
        to = f" to {promotion.branch}" if promotion.branch else ""
        words.append(f"after a promotion{of}{to}")
    if tickets := automation.tickets:
        words.append(f"tickets every {tickets.every}: {tickets.command}")
    if automation.issue_label:
        words.append(f"issues with the label {automation.issue_label}")
    if automation.has_http:
        words.append("HTTP")
    return "; ".join(words)
