"""Tell the story of the app: its versions, wishes and changes in words."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import click

from attractor.base.amounts import format_cost
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import control_plane_of


@click.command("story")
@json_option
@click.pass_obj
def show_story(invocation: Invocation, as_json: bool) -> ExitCode:
    """Tell the story of the app: its versions, wishes and changes in words.

    The newest version comes first, with the day, the person who decided, and the cost of its run.
    The page /story of the app says the same, without persons and costs.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.story import story

    record = story(control_plane_of(invocation))
    chapters = cast("list[dict[str, Any]]", record["chapters"])
    lines = [line for one in chapters for line in _lines(one, str(record["running"]))]
    words = "\n".join(lines or ["no versions yet (next: attractor grow deploy PLAN)"])
    return show_result(record, words, as_json=as_json)


def _lines(chapter: Mapping[str, Any], running: str) -> Iterator[str]:
    decided = f"decided by {chapter['decided_by']}" if chapter["decided_by"] else ""
    known, is_partial = chapter["cost_usd"], bool(chapter["unpriced_tokens"])
    cost = "" if known is None else format_cost(known, is_partial=is_partial)
    now = "running" if chapter["stage"] == running else ""
    facts = [one for one in (chapter["kind"], chapter["day"], now, decided, cost) if one]
    yield f"{chapter['stage']} ({', '.join(facts)})"
    yield from (f"  wish: {goal}" for goal in chapter["desires"])
    yield from (f"  {words}" for words in chapter["words"])


part = show_story
