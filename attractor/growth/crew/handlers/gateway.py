"""Lets desires in: reads them by rule, or finds the committed plan that a run works on."""

import json

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Parts, Stage
from attractor.growth.crew.app_tree import open_tree
from attractor.growth.crew.contract import fails_if_invalid
from attractor.growth.desires import read_desires
from attractor.growth.errors import InvalidDesire

INPUT = "desires"
"""The input of a run with desires: JSON, or the path of a JSON file in the repository."""


@dataclass(frozen=True)
class Gateway:
    """Reads the desires of the run; without any, the run builds the specification as it is."""

    parts: Parts

    @fails_if_invalid
    async def execute(self, stage: Stage) -> Outcome:
        """Leave desires and the origin of the plan in the context."""
        given = self.parts.inputs.get(INPUT, "").strip()
        async with open_tree(stage) as tree:
            if given and not given.startswith(("[", "{")):
                text = tree.text(given)
                if not text:
                    raise InvalidDesire(f"{given}: missing or empty", hint="commit the file")
                given = text
            desires = read_desires(_parse(given)) if given else ()
            plan = "open" if desires else "committed" if tree.proposal else "none"
            notes = f"{len(tree.graph)} nodes, {len(desires)} desires, plan: {plan}"
            updates: dict[str, Json] = {
                "gateway.desires": [desire.model_dump(mode="json") for desire in desires],
                "gateway.plan": plan,
            }
            return success(notes, **updates)


def _parse(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as cause:
        hint = 'write [{"goal": "..."}]'
        raise InvalidDesire(f"input {INPUT}: invalid JSON: {cause}", hint=hint) from cause


part = Gateway
