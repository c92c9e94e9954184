"""What each event changes in what people are asked.

A question of a child stands in the child's journal, and under the child's name in its parent's: it
is one question all the same, that of the parent.
"""

from collections.abc import Mapping
from dataclasses import replace

from attractor.base.events import Event
from attractor.base.json import Json
from attractor.cli.live.view import Asked, View, stage_key
from attractor.engine.questions.ask import where_in


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
    # Its parent asks what a child asks, and knows in which of its branches the child is.
    if view.run_id not in ("", event.run_id):
        return view
    match event.data.get("question"):
        case {"id": str(id_), "text": str(text), "options": [*options]} as record:
            key, stage = _key(event, id_), record.get("stage") or event.node
            choices, where = tuple(map(_choice, options)), tuple(where_in(record))
        case _:
            return view
    # The stage that begins an interview does not know where it asks.
    where = where or (view.questions[key].where if key in view.questions else ())
    one = Asked(str(stage or ""), text, choices, where, is_parked)
    return replace(view, questions={**view.questions, key: one})


def _key(event: Event, id_: str) -> str:
    return f"{event.run_id}/{id_}"


def _choice(option: Json) -> str:
    match option:
        case {"key": str(key), "label": str(label)}:
            return label if f"[{key}]" in label else f"[{key}] {label}"
        case _:
            return ""
