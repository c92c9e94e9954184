"""What each event changes in what people are asked.

A question of a child stands in the child's journal, and under the child's name in its parent's: it
is one question all the same.
"""

from collections.abc import Mapping
from dataclasses import replace

from attractor.base.canonical import Json
from attractor.base.events import Event
from attractor.cli.live.view import Asked, View, stage_key


def asked(view: View, event: Event) -> View:
    """Add a question that somebody is asked now."""
    return _with(view, event, is_parked=False)


def parked(view: View, event: Event) -> View:
    """Leave a question where it is: nobody is at work on its stage."""
    left = {key: one for key, one in view.at_work.items() if key != stage_key(event)}
    return replace(_with(view, event, is_parked=True), at_work=left)


def settled(view: View, event: Event) -> View:
    """Take away a question that was answered, or will not be."""
    match event.data.get("question"):
        case str(id_) | {"id": str(id_)}:
            gone = _key(event, id_)
            left = {key: one for key, one in view.questions.items() if key != gone}
            return replace(view, questions=left)
        case _:
            return view


def without_stage(view: View, event: Event) -> Mapping[str, Asked]:
    """Return the questions without those of a stage that ended, and of its child."""
    stage = _key(event, f"{event.node}@{event.visit}.")
    return {key: one for key, one in view.questions.items() if not key.startswith(stage)}


def _with(view: View, event: Event, *, is_parked: bool) -> View:
    match event.data.get("question"):
        case {"id": str(id_), "text": str(text), "options": [*options]}:
            one = Asked(event.node or "", text, tuple(map(_choice, options)), is_parked)
        case _:
            return view
    inner = f"/{id_.rpartition('/')[2]}"
    others = {key: one for key, one in view.questions.items() if not key.endswith(inner)}
    return replace(view, questions={**others, _key(event, id_): one})


def _key(event: Event, id_: str) -> str:
    return f"{event.run_id}/{id_}"


def _choice(option: Json) -> str:
    match option:
        case {"key": str(key), "label": str(label)}:
            return label if f"[{key}]" in label else f"[{key}] {label}"
        case _:
            return ""
