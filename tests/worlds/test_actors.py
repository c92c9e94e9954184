"""`attractor actor` and `attractor message`: agents that stay, over real processes and a twin."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, uses
from tests.cli.test_agent import EDITS, ProjectDesk, desk_with, steps

MODEL = ("--model", MODELS["openai"])


def actors(desk: ProjectDesk, *options: str) -> list[dict[str, Any]]:
    return json.loads(desk.do("actor", "list", "--json", *options).stdout)


@contextmanager
def twin(desk: ProjectDesk, *rules: Rule) -> Generator[None]:
    with in_background(ProviderTwin(Script(rules=rules))) as desk.twin:
        yield


def test_actor_answers_its_messages_in_one_conversation(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    rules = steps("fix", uses(EDITS["openai"]), says("Fixed add."))
    rules += [Rule(when=When(last_user="what", words="Fixed add"), answer=says("I fixed add."))]
    with twin(desk, *rules):
        spawned = desk.do("actor", "spawn", "fix the sum", *MODEL)
        assert spawned.returncode == 0, spawned.stderr
        assert "attractor actor attach fix-the-sum" in spawned.stdout
        waited = desk.do("actor", "wait", "fix", "--timeout", "30s")
        assert waited.stdout == "fix-the-sum: review: 1 file changed\n", waited.stderr
        asked = desk.do("message", "send", "fix", "what was it?", "--wait")
        assert (asked.returncode, asked.stdout) == (0, "I fixed add.\n"), asked.stderr
    [actor] = actors(desk)
    assert actor["answered"] == 2
    assert "return a + b" in (desk.place / "calc.py").read_text()
    listed = json.loads(desk.do("message", "list", "fix", "--json").stdout)
    assert [one["message"]["text"] for one in listed] == ["fix the sum", "what was it?"]
    manifest = json.loads((desk.place / "runs" / listed[1]["run_id"] / "manifest.json").read_text())
    options = manifest["options"]
    assert options["continues"]["run_id"] == listed[0]["run_id"]
    assert options["task"]["message"] == listed[1]["message"]["id"]
