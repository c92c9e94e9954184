"""Answers of a provider twin for the crew, from the files of an example: the models are scripts.

What this shows is the machinery around the models, never that a model writes good code.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attractor.twins import Answer, Conversation

_CONTRACT = re.compile(r"# Contract of the (\w+)")
_INPUT = re.compile(r"# Input\n.*?```json\n(.*?)\n```", re.S)


def script(example: Path, *bodies: str) -> Callable[[Conversation, int], Answer | None]:
    """Return the answers for an example; bodies come from the first folder that has the file."""

    def answer(conversation: Conversation, attempt: int) -> Answer | None:
        task = conversation.last_user
        contract, given = _CONTRACT.search(task), _INPUT.search(task)
        if not contract or not given:
            _, is_plan, rest = task.partition("planner input")
            if not is_plan:
                return None
            planned = json.JSONDecoder().raw_decode(rest[rest.index("{") :])[0]
            return Answer(text=json.dumps(_proposal(example, planned)))
        record = _answer(contract[1], json.loads(given[1]), example, bodies or ("bodies",))
        return Answer(text=json.dumps(record))

    return answer


def _answer(role: str, given: dict[str, Any], example: Path, bodies: tuple[str, ...]) -> object:
    match role:
        case "planner":
            return _proposal(example, given)
        case "compiler" | "surface":
            paths = [one["path"] for one in given["bodies"]]
            return {"bodies": [{"path": one, "text": _body(example, bodies, one)} for one in paths]}
        case "toolsmith":
            return {"ready": given["needs"]}
        case "safety":
            return {"verdict": "approve"}
        case "tester":
            return {"drafts": json.loads((example / "drafts.json").read_text())}
        case _:
            changes = [f"{one['type']}: {one}" for one in given["morphs"]]
            return {"headline": f"Stage {given['stage']}", "changes": changes or ["Rebuilt."]}


def _proposal(example: Path, given: dict[str, Any]) -> object:
    """Return the later proposal with a word of the new desires, or the first one of the example."""
    wanted = json.dumps(given["new_desires"]).lower()
    for file in sorted((example / "later").glob("*.json")):
        later = json.loads(file.read_text())
        if any(word in wanted for word in later["words"]):
            return later["proposal"]
    return json.loads((example / "proposal.json").read_text())


def _body(example: Path, bodies: tuple[str, ...], path: str) -> str:
    inside = Path(path).relative_to("app")
    files = [example / folder / inside for folder in bodies]
    return next(one for one in files if one.is_file()).read_text()
