"""Attractor-spec 5.1 and 5.5: with large attributes of a graph the journal stays small."""

import json
from pathlib import Path

import pytest

from attractor import Context, Node
from attractor.language.diagnostics import ValidationError
from tests.spec.runs import ScriptedBackend, between, events, resume, run
from tests.tables import table

BIG = "größe " * 40_000
STAGES = [f"s{number}" for number in range(5)]
LINES = (
    *(f'{one} [prompt="$goal"]' for one in STAGES),
    'tool [shape=parallelogram, tool_command="true"]',
    f"start -> {' -> '.join(STAGES)} -> tool -> exit",
)


def test_5_5_journal_refers_to_a_large_goal(tmp_path: Path) -> None:
    text = between(f'goal="{BIG}"', *LINES)
    result = run(tmp_path, text)
    assert result.completed == ("start", *STAGES, "tool")
    for name in ("events.jsonl", "checkpoint.json"):
        assert (result.directory / name).stat().st_size < 50_000, name
    assert (result.directory / "s4" / "prompt.md").read_text().endswith(BIG)
    context = json.loads((result.directory / "checkpoint.json").read_text())["context"]
    assert set(context["graph.goal"]) == {"$artifact", "bytes"}


def test_5_5_large_goal_is_read_whole_and_shown_truncated(tmp_path: Path) -> None:
    seen: list[object] = []

    class Reading(ScriptedBackend):
        def run(self, node: Node, prompt: str, context: Context) -> str:
            seen.append(context.get("graph.goal"))
            self.prompts.append(prompt)
            return "done"

    backend = Reading()
    text = between(f'goal="{BIG}"', 'a [prompt="x"]', 'b [prompt="y"]', "start -> a -> b -> exit")
    run(tmp_path, text, backend=backend)
    assert seen == [BIG.strip(), BIG.strip()] or seen == [BIG, BIG]
    assert "Goal: größe größe" in backend.prompts[1]
    assert len(backend.prompts[1]) < 10_000


def test_5_5_a_run_with_a_large_goal_is_parked_and_resumed(tmp_path: Path) -> None:
    asks = (
        'gate [shape=hexagon, label="Go on?"]',
        'b [prompt="$goal"]',
        "start -> gate",
        'gate -> b [label="[Y] Yes"]',
        'gate -> exit [label="[N] No"]',
        "b -> exit",
    )
    run(tmp_path, between(f'goal="{BIG}"', *asks), interviewer="park")
    result = resume(tmp_path, interviewer="auto_approve")
    assert result.completed == ("start", "gate", "b")


def test_5_5_a_large_label_does_not_fill_the_journal(tmp_path: Path) -> None:
    text = between(f'a [prompt="x", label="{BIG}"]', "start -> a -> exit")
    result = run(tmp_path, text)
    names = [str(one.data["name"]) for one in events(result, "StageStarted", "StageCompleted")]
    assert max(map(len, names)) < 1_000
    assert (result.directory / "events.jsonl").stat().st_size < 50_000


@table("on_graph", [True, False])
def test_5_5_a_too_long_command_is_refused(tmp_path: Path, on_graph: bool) -> None:
    size = 200_000
    long = "x" * size
    hook, command = (f'graph ["tool_hooks.pre"="{long}"]', "true") if on_graph else ("", long)
    stage = f'a [shape=parallelogram, tool_command="{command}"]'
    maximum = f"has {size} bytes, and the maximum of a shell is 131071"
    with pytest.raises(ValidationError, match=maximum):
        run(tmp_path, between(hook, stage, "start -> a -> exit"))
