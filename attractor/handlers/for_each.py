"""Walks the same branch for each item of a list, several at the same time."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.fenced import code_blocks
from attractor.base.json import Json, parse_json
from attractor.engine.outcome import FailureClass, Outcome, failure, success
from attractor.engine.seams import Parts, Stage
from attractor.engine.state.walks import Branch
from attractor.engine.truncation import is_cut
from attractor.handlers.parallel import ADOPTED, NO_ITEMS, read_policy, walk_branches

_PREFIX = "context."
_NOTHING: dict[str, Json] = {
    "parallel.results": [],
    "parallel.success_count": 0,
    "parallel.fail_count": 0,
    NO_ITEMS: True,
    ADOPTED: False,
}


@dataclass(frozen=True)
class ForEach:
    """Walks the following nodes once for each item, up to the node where edges meet (ruling R6).

    The context of a branch contains the item as `work.item`, and the number of the item as
    `work.index`.
    """

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Walk a branch for each item; without items, succeed."""
        fork = stage.branches.fork
        if fork is None or not fork.meeting:
            reason = f"the branches of {stage.node.id} never meet at one node"
            return failure(reason, FailureClass.PIPELINE)
        key = stage.node.attributes.text("items").strip().removeprefix(_PREFIX)
        if not key:
            reason = f"{stage.node.id} has no items: set items to a context key"
            return failure(reason, FailureClass.PIPELINE)
        value = stage.context.get(key)
        if isinstance(value, str) and is_cut(value):
            reason = f"the text in {key} was truncated: report a JSON list instead"
            return failure(reason, FailureClass.TERMINAL)
        items = read_items(value)
        if items is None:
            return failure(f"the context has no list under {key}", FailureClass.TERMINAL)
        if not items:
            return replace(success(f"no items under {key}"), context_updates=_NOTHING)
        branches = plan_items(stage, items, fork.meeting)
        return await walk_branches(stage, branches, read_policy(stage.node, len(branches)))


def read_items(value: Json) -> Sequence[Json] | None:
    """Return the items of a JSON list, also of one in a text or its code block, or the lines."""
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        return None
    # Models like to put a list into a code block.
    for text in (value, *code_blocks(value)):
        with suppress(NotCanonical):
            parsed = parse_json(text)
            if isinstance(parsed, list):
                return parsed
    return [line.strip() for line in value.splitlines() if line.strip()]


def plan_items(stage: Stage, items: Sequence[Json], meeting: str) -> Sequence[Branch]:
    """Return a branch for each item and each edge, in the order of the items."""
    starts = [edge.target for edge in stage.graph.outgoing(stage.node.id)]
    width = len(str(len(items)))
    return [
        Branch(
            name=f"{index:0{width}}" if len(starts) == 1 else f"{index:0{width}}-{start}",
            start=start,
            until=meeting,
            updates={"work.item": item, "work.index": index, "work.count": len(items)},
        )
        for index, item in enumerate(items, 1)
        for start in starts
    ]


part = ForEach
