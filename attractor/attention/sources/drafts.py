"""Drafted desires of the running app."""

from collections.abc import Iterator, Mapping

from attractor.attention.rows import Act, AttentionRow, Choice, Field, Settler, in_project
from attractor.attention.source import Look, Source
from attractor.base.errors import UsageError

CHOICES = [
    Choice("accept", "make it a desire", "a"),
    Choice("dismiss", "dismiss it", "x", [Field("reason", "Why it is dismissed")]),
]


def _rows(look: Look) -> Iterator[AttentionRow]:
    if look.growth is None:
        return
    # Imported here, because only projects with an app need it.
    from attractor.growth.deployment.draft_store import DraftStore

    at = f"{in_project(look.project)}attractor grow feedback"
    for draft in DraftStore(look.growth).open(look.now):
        fault = f"\nIt cannot become a desire: {draft.fault}" if draft.fault else ""
        yield AttentionRow(
            id=f"draft:{look.project.project_id}:{draft.id}",
            need="draft",
            project=look.project,
            name=draft.id,
            reason=f"{draft.goal}{fault}",
            since=draft.since,
            command=f"{at} --{'dismiss' if draft.fault else 'accept'} {draft.id}",
            choices=CHOICES,
            act=_act(draft.id, look),
        )


def _act(draft: str, look: Look) -> Act:
    def act(choice: str, fields: Mapping[str, str], at: Settler) -> str:
        # Imported here, because only projects with an app need it.
        from attractor.growth.api.drafts import accept_draft, dismiss_draft
        from attractor.growth.control_plane import ControlPlane

        plane, reason = ControlPlane(at.opened.project), fields.get("reason", "")
        if choice == "dismiss":
            dismiss_draft(plane, draft, by=at.by.name, reason=reason)
            return f"dismissed {draft}"
        if reason:
            hint = "dismiss the draft with the reason, or accept it without one"
            raise UsageError("an accepted draft keeps no reason", hint=hint)
        planned = accept_draft(plane, draft, by=at.by.name)["next"]
        return f"it is a desire now; next: {in_project(look.project)}{planned}"

    return act


part = Source(_rows)
